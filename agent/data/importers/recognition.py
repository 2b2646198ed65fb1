"""Recognition: what the columns of foreign tables stand for, told by their names and by what they hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from agent.data.archive import DatasetError
from agent.data.card import CardFacet, Column
from agent.data.tables import Table
from agent.data.values import is_blank, loose_id, number_in, numbers, structured, unit_in, year_in
from agent.domains.domain import BASE, Domain, Kind, domain_names, load_domain

ITEM, TITLE, ALIAS, IDENTIFIER, IGNORE = "item", "title", "alias", "identifier", "ignore"
USER, RATING, COUNT, TIME, EVENT, SESSION, HISTORY = "user", "rating", "count", "time", "event", "session", "history"
ITEM_ROLES = (ITEM, TITLE, ALIAS, IDENTIFIER, IGNORE)
EVENT_ROLES = (ITEM, USER, RATING, COUNT, TIME, EVENT, SESSION, HISTORY, IGNORE)
KINDS: tuple[Kind, ...] = ("category", "number", "year", "date", "duration", "money", "text", "person")

_SAMPLE = 5000
_LONG = 60
"""Mean length in characters from which strings are running text."""
_FEW = 0.5
"""Distinct values by rows up to which strings are names of kinds."""


_LISTS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "column_names.yaml").read_text(encoding="utf-8"))
_NAMES = {role: frozenset(names.split()) for role, names in _LISTS.items() if isinstance(names, str)}
_PRIMARY: list[str] = _LISTS["primary"].split()
_SINGULAR: dict[str, str] = _LISTS["singular"]
_IDENTIFIERS: dict[str, str] = _LISTS["identifiers"]
_DURATIONS = ("minutes", "seconds", "milliseconds")
_ELSEWHERE = re.compile(
    r"rating|votes?\b|vote_|popularity|_count$|^count_|^n_|num_|reviews?_?count|count$|number_of_reviews", re.IGNORECASE
)
_ADDRESS = re.compile(r"https?://|www\.|/\w+\.(?:jpg|png|jpeg|webp)$", re.IGNORECASE)


@dataclass(frozen=True)
class Override:
    """What the user says that a column stands for; ``kind`` and ``separator`` of a facet where they are given."""

    taken_for: str
    kind: Kind | None = None
    separator: str | None = None


@dataclass
class Recognised:
    """Columns of one table: what each was taken for, and the facets among them."""

    columns: list[Column] = field(default_factory=list)
    facets: dict[str, CardFacet] = field(default_factory=dict)

    def one(self, role: str) -> str | None:
        """The first column of a role."""
        return next((own.column for own in self.columns if own.taken_for == role), None)

    def all(self, role: str) -> list[str]:
        """All columns of a role."""
        return [own.column for own in self.columns if own.taken_for == role]


def parse_overrides(given: Sequence[str]) -> dict[str, Override]:
    """Flags of the form ``NAME=FACET``, ``NAME=FACET:KIND`` or a role, by column.

    Raises:
        DatasetError: one is not of this form.
    """
    found = {}
    for text in given:
        column, sign, target = text.partition("=")
        name, _, kind = target.partition(":")
        if not sign or not column.strip() or not re.fullmatch(r"\w[\w -]*", name.strip()):
            raise DatasetError(f"--column {text!r}: write COLUMN=title, COLUMN=ignore, or COLUMN=FACET:KIND")
        if kind and kind not in KINDS:
            raise DatasetError(f"--column {text!r}: unknown kind {kind!r}: use one of {', '.join(KINDS)}")
        found[column.strip()] = Override(name.strip(), next((own for own in KINDS if own == kind), None))
    return found


def overrides_of(columns: Sequence[Column], facets: Mapping[str, CardFacet]) -> dict[str, Override]:
    """What a card says of its columns, as if the user had given it by flags."""
    by_column = {facet.column: facet for facet in facets.values()}
    found = {}
    for own in columns:
        facet = by_column.get(own.column) or facets.get(own.taken_for)
        kind, separator = (facet.kind, facet.separator) if facet is not None else (None, None)
        found[own.column] = Override(own.taken_for, kind, separator)
    return found


def folded(name: str) -> str:
    """A column's name without case and signs: "User-ID" is "userid"."""
    return re.sub(r"[\W_]+", "", name.casefold())


def identifier_name(column: str) -> str:
    """How a column that identifies items elsewhere is called among ours: "imdbId" is imdb_id."""
    return _IDENTIFIERS.get(folded(column), re.sub(r"\W+", "_", column.casefold()))


def says_kind(facet: str) -> bool:
    """Whether a facet's name says that it holds the sort of thing that an item is."""
    return folded(facet) in _PRIMARY


def of_people(columns: Iterable[str]) -> bool:
    """Whether a column says who did something: then the rows are events."""
    return any(folded(str(column)) in _NAMES["user"] | _NAMES["history"] for column in columns)


def title_like(columns: Sequence[str]) -> list[str]:
    """The columns whose names promise titles."""
    return [
        column
        for column in columns
        if folded(column) in _NAMES["title"] | _NAMES["alias"] and folded(column) != "artist"
    ]


def words_of(name: str) -> list[str]:
    """The words of a name: "bookId" is book, id."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.casefold() for word in re.findall(r"[A-Za-z]+", parted)]


def guess_domain(names: Sequence[str]) -> tuple[str, str]:
    """The domain of whose items names of files and of id columns speak, and why; ``_base`` unless just one does."""
    said = [word for name in names for word in words_of(name)]
    hits: dict[str, str] = {}
    for name in domain_names():
        domain = load_domain(name)
        nouns = {noun.casefold() for noun in (domain.nouns.one, domain.nouns.many, *domain.nouns.also)}
        nouns -= _NAMES["everyday"]
        found = [word for word in said if word in nouns]
        if found:
            hits[name] = found[0]
    if len(hits) == 1:
        name, word = next(iter(hits.items()))
        return name, f"guessed from the word {word!r}; --domain changes it"
    if hits:
        return BASE, f"names speak of {' and of '.join(hits)}; choose one with --domain"
    return BASE, f"no name says what the items are; --domain names it ({', '.join(domain_names())}, or a folder)"


# --- tables of items -------------------------------------------------------------------------------------------------


def recognise_items(table: Table, domain: Domain, overrides: Mapping[str, Override], titled: bool = True) -> Recognised:
    """What the columns of a table of items stand for; without ``titled`` none of them holds titles.

    Raises:
        DatasetError: there is no column of ids or titles.
    """
    frame = table.frame
    sample = frame if len(frame) <= _SAMPLE else frame.iloc[:: max(1, len(frame) // _SAMPLE)]
    looks = {column: _Look(sample[column], table.types.get(column)) for column in map(str, frame.columns)}
    roles: dict[str, tuple[str, str]] = {}
    for column, own in overrides.items():
        if column in looks:
            roles[column] = (own.taken_for, "as given")
    taken = {role for role, _ in roles.values()}
    if ITEM not in taken:
        ids = _id_column(looks, roles, domain)
        if ids is None:
            raise DatasetError(
                f"{table.name}: no column of item ids among {', '.join(looks)}: name it with --column NAME=item"
            )
        roles[ids] = (ITEM, "its name" if _is_item_name(ids, domain) else "its values, all different")
    if titled and TITLE not in taken:
        title = _title_column(looks, roles, domain)
        if title is not None:
            roles[title] = (TITLE, "its name" if folded(title) in _title_names(domain) else "its values")
    result = Recognised()
    claimed: set[str] = {role for role, _ in roles.values()}
    for column, look in looks.items():
        role, why = roles.get(column, ("", ""))
        facet: CardFacet | None = None
        if not role:
            role, why, facet = _facet_of(column, look, domain, claimed)
        elif role not in ITEM_ROLES:
            facet = _given_facet(column, look, role, overrides.get(column), domain)
        if facet is not None:
            if role in result.facets:
                role, why = IGNORE, f"{role} was found in {result.facets[role].column} already"
            else:
                result.facets[role] = facet
                claimed.add(role)
        result.columns.append(Column(column=column, taken_for=role, why=why, example=look.example, filled=look.filled))
    _choose_primary(result, looks)
    return result


class _Look:
    """What a column holds, seen once."""

    def __init__(self, values: pd.Series, type_: str | None = None) -> None:
        self.type = type_
        self.rows = len(values)
        counts = values.value_counts()
        self.counts = {str(value): int(n) for value, n in counts.items() if not is_blank(str(value))}
        self.values = list(self.counts)
        self.filled = round(sum(self.counts.values()) / self.rows, 4) if self.rows else 0.0
        first = next((str(value) for value in values if not is_blank(str(value))), "")
        self.example = first if len(first) <= 60 else f"{first[:57]}..."
        self.lists = bool(self.values) and sum(structured(v) is not None for v in self.values[:50]) > 0.5 * min(
            50, len(self.values)
        )
        self.mean_length = float(np.mean([len(v) for v in self.values])) if self.values else 0.0

    @property
    def distinct(self) -> float:
        """Distinct values by filled rows."""
        return len(self.values) / max(1, sum(self.counts.values()))

    def share(self, good: Sequence[bool]) -> float:
        return sum(good) / len(good) if good else 0.0

    @property
    def plain_numbers(self) -> float:
        """The share of values that are plain numbers."""
        return float(np.isfinite(numbers(self.values)).mean()) if self.values else 0.0

    @property
    def amounts(self) -> float:
        """The share of values that hold a number, perhaps with a unit."""
        some = self.values[:300]
        return self.share([not np.isnan(number_in(value)) for value in some])

    @property
    def addresses(self) -> float:
        some = self.values[:200]
        return self.share([bool(_ADDRESS.search(value)) and " " not in value.strip() for value in some])


def _is_item_name(column: str, domain: Domain) -> bool:
    name = folded(column)
    nouns = {folded(noun) for noun in (domain.nouns.one, domain.nouns.many, *domain.nouns.also)}
    return name in _NAMES["item"] or name in {f"{noun}id" for noun in nouns}


def _title_names(domain: Domain) -> frozenset[str]:
    nouns = {folded(noun) for noun in (domain.nouns.one, domain.nouns.many, *domain.nouns.also)}
    return _NAMES["title"] | {f"{noun}{end}" for noun in nouns for end in ("", "title", "name")}


def _id_column(looks: Mapping[str, _Look], roles: Mapping[str, object], domain: Domain) -> str | None:
    free = {column: look for column, look in looks.items() if column not in roles and look.values}
    unique = {column: look for column, look in free.items() if look.distinct > 0.95 and look.filled > 0.95}
    named = [column for column in free if _is_item_name(column, domain)]
    # A name counts only with values that tell items apart: "product" may be a title, "code" a kind.
    for column in named:
        sure = folded(column).endswith("id") or folded(column) in ("sku", "asin", "isbn", "key")
        if sure and free[column].distinct > 0.5:
            return column
    for column in named:
        if column in unique and not _prose(unique[column]):
            return column
    short = [
        column for column, look in unique.items() if look.mean_length <= 24 and folded(column).endswith(("id", "key"))
    ]
    if short:
        return short[0]
    whole = [
        column for column, look in unique.items() if look.plain_numbers == 1.0 and folded(column) not in _NAMES["year"]
    ]
    if whole and whole[0] == next(iter(looks)):
        return whole[0]
    codes = [
        column for column, look in unique.items() if not _prose(look) and not look.addresses and look.mean_length <= 40
    ]
    if codes:
        return codes[0]
    # Without ids the titles serve.
    titles = [column for column, look in unique.items() if folded(column) in _title_names(domain)]
    return titles[0] if titles else None


def _prose(look: _Look) -> bool:
    some = look.values[:200]
    return look.share([" " in value for value in some]) > 0.3


def _title_column(looks: Mapping[str, _Look], roles: Mapping[str, object], domain: Domain) -> str | None:
    free = {column: look for column, look in looks.items() if column not in roles and look.values}
    names = _title_names(domain)
    named = [column for column in free if folded(column) in names and not free[column].lists]
    order = ["title", "name", "primarytitle", "headline", "question"]
    named.sort(key=lambda column: order.index(folded(column)) if folded(column) in order else len(order))
    for column in named:
        look = free[column]
        # A domain may claim the column otherwise: an artist is a person beside a title, and a title without one.
        if look.distinct > 0.3 or look.rows < 20:
            return column
    texts = [
        column for column, look in free.items()
        if look.plain_numbers < 0.2 and look.addresses < 0.2 and not look.lists and look.distinct > 0.8
        and 2 <= look.mean_length <= 120 and folded(column) not in _NAMES["text"] | _NAMES["alias"]
        and folded(column) not in _IDENTIFIERS and not folded(column).endswith("id")
    ]  # fmt: skip
    return texts[0] if texts else None


def _facet_of(column: str, look: _Look, domain: Domain, claimed: set[str]) -> tuple[str, str, CardFacet | None]:
    """What a column of items stands for that is neither id nor title: role or facet, why, and the facet."""
    name = folded(column)
    if not look.values:
        return IGNORE, "empty", None
    if name in _NAMES["alias"]:
        return ALIAS, "its name", None
    known = domain.facet_for_column(column)
    if known is not None and known.name not in claimed and _fits(known.kind, look):
        separator = known.separator if known.separator and _separates(look, known.separator) else _separator(look)
        unit = _unit(look) if known.kind == "money" else None
        facet = CardFacet(kind=known.kind, column=column, separator=separator, unit=unit, primary=known.primary)
        return known.name, f"facet of {domain.name}", facet
    if name in _IDENTIFIERS:
        return IDENTIFIER, "its name", None
    if look.addresses > 0.5:
        return IGNORE, "addresses", None
    if (name.endswith("id") or name.endswith("ids") or name in ("index", "rowid", "unnamed0")) and not look.lists:
        return IGNORE, "ids of something else", None
    if name.startswith("column") and look.plain_numbers == 1.0 and look.distinct == 1.0:
        return IGNORE, "a running number", None
    made = _by_content(column, look)
    if made is None:
        return IGNORE, "neither kinds, numbers nor text", None
    if len(look.values) == 1 and look.rows > 1:
        return IGNORE, "the same everywhere", None
    if made.kind == "number" and _ELSEWHERE.search(column):
        return IGNORE, "counts of ratings elsewhere; --column makes it a facet", None
    label = _label(column)
    if made.kind == "year" and "year" not in claimed:
        label = "year"
    if label in claimed or label in ITEM_ROLES:
        label = f"{label}_2"
    return label, "its values", made


def _label(column: str) -> str:
    words = words_of(column) or [column.casefold()]
    label = "_".join(words) if not re.search(r"\d", column) else re.sub(r"\W+", "_", column.casefold()).strip("_")
    label = re.sub(r"(?<=\w)_(?:value|name)$", "", label)
    return _SINGULAR.get(label, label)


def _fits(kind: Kind, look: _Look) -> bool:
    """Whether a column's values are of the kind that its name promises."""
    some = look.values[:300]
    if kind == "year":
        return look.share([year_in(value) is not None for value in some]) > 0.5
    if kind in ("number", "duration", "money"):
        return look.amounts > 0.7
    if kind in ("category", "person"):
        return look.mean_length < 400 and look.addresses < 0.5
    return True


def _given_facet(column: str, look: _Look, role: str, given: Override | None, domain: Domain) -> CardFacet:
    known = domain.facets.get(role)
    found = _by_content(column, look)
    kind: Kind = (given and given.kind) or (known.kind if known is not None else found.kind if found else "category")
    separator = given.separator if given is not None and given.separator else None
    if separator is None and kind in ("category", "person"):
        fixed = known.separator if known is not None else None
        separator = fixed if fixed and _separates(look, fixed) else _separator(look)
    unit = found.unit if found is not None and found.kind == kind else None
    return CardFacet(
        kind=kind, column=column, separator=separator, unit=unit, primary=known is not None and known.primary
    )


def _by_content(column: str, look: _Look) -> CardFacet | None:
    """The facet that a column's values make, by type."""
    name = folded(column)
    if look.lists or look.type in ("token_seq", "float_seq"):
        if look.lists and look.mean_length > 4 * _LONG and look.distinct > 0.9:
            return CardFacet(kind="text", column=column)
        # Beside lists there may be cells with plain text: "Comedy, Romance".
        separator = " " if look.type == "token_seq" and not look.lists else ","
        return CardFacet(kind="person" if name in _NAMES["person"] else "category", column=column, separator=separator)
    if name in _NAMES["text"] and look.mean_length > 25:
        return CardFacet(kind="text", column=column)
    some = look.values[:300]
    if set(v.casefold() for v in look.values) <= {"0", "1", "true", "false", "yes", "no", "t", "f", "y", "n"}:
        return CardFacet(kind="category", column=column)
    years = look.share([bool(re.fullmatch(r"(1[0-9]|20)\d\d(\.0)?", value.strip())) for value in some])
    if years > 0.9 and ("year" in name or name in _NAMES["year"] or all(1800 < float(v) < 2100 for v in some)):
        return CardFacet(kind="year", column=column)
    if name in _NAMES["date"] and look.share([year_in(value) is not None for value in some]) > 0.8:
        return CardFacet(kind="year", column=column)
    if look.amounts > 0.9:
        unit = _unit(look)
        if name in _NAMES["money"] or ((unit or "") in "$£€¥₹" and unit):
            return CardFacet(kind="money", column=column, unit=unit)
        for length in _DURATIONS:
            if name in _NAMES[length]:
                return CardFacet(kind="duration", column=column, unit=length)
        return CardFacet(kind="number", column=column, unit=unit)
    if look.mean_length >= _LONG and look.share([len(v.split()) > 8 for v in some]) > 0.5 and look.distinct > 0.3:
        between = _separator(look)
        if between is None or not _repeats(look, between):
            return CardFacet(kind="text", column=column)
    if name in _NAMES["person"]:
        return CardFacet(kind="person", column=column, separator=_separator(look))
    parted = _separator(look)
    if parted is not None:
        return CardFacet(kind="category", column=column, separator=parted)
    if look.distinct <= _FEW or len(look.values) <= 30:
        return CardFacet(kind="category", column=column)
    return CardFacet(kind="text", column=column) if look.share([" " in value for value in some]) > 0.5 else None


def _unit(look: _Look) -> str | None:
    units = Counter(unit for value in look.values[:300] if (unit := unit_in(value)))
    if not units:
        return None
    unit, count = units.most_common(1)[0]
    return unit if count > 0.5 * min(300, len(look.values)) else None


def _separates(look: _Look, separator: str) -> bool:
    return any(separator.strip() in value for value in look.values) if separator.strip() else False


def _separator(look: _Look) -> str | None:
    """What stands between several names in a cell: a sign after which the same names come again and again."""
    if look.lists:
        return ","
    for separator in ("|", ";", ", ", ",", " / ", "/"):
        with_it = [value for value in look.values if separator in value]
        if len(with_it) < max(1, 0.03 * len(look.values)):
            continue
        if separator in ("|", ";") or _repeats(look, separator):
            return separator.strip() or separator
    return None


def _repeats(look: _Look, separator: str) -> bool:
    """Whether the parts of cells recur, as names of kinds do and pieces of sentences do not."""
    parts = Counter(part.strip().casefold() for value in look.values for part in value.split(separator.strip()))
    total = sum(parts.values())
    lengths = sum(len(part) * count for part, count in parts.items()) / max(1, total)
    if lengths > 30:
        return False
    few = len(look.values) < 20
    return len(parts) < (1.0 if few else 0.7) * total


def _choose_primary(found: Recognised, looks: Mapping[str, _Look]) -> None:
    """Mark the category that says what sort of thing an item is, where the domain does not say so."""
    if any(facet.primary for facet in found.facets.values()) or not found.facets:
        return
    kinds = {name: facet for name, facet in found.facets.items() if facet.kind == "category"}
    named = [name for wanted in _PRIMARY for name, facet in kinds.items()
             if folded(name) == wanted or folded(facet.column) == wanted]  # fmt: skip
    sized = sorted(
        (
            name
            for name, facet in kinds.items()
            if len(looks[facet.column].values) >= 3
            and looks[facet.column].filled > 0.5
            and folded(name) not in _NAMES["not_primary"]
        ),
        key=lambda name: (len(looks[kinds[name].column].values) > 200, len(looks[kinds[name].column].values)),
    )
    chosen = next(iter([*named, *sized]), None)
    if chosen is not None:
        found.facets[chosen] = found.facets[chosen].model_copy(update={"primary": True})


# --- tables of events ------------------------------------------------------------------------------------------------


def recognise_events(table: Table, items: pd.Series, domain: Domain, overrides: Mapping[str, Override]) -> Recognised:
    """What the columns of a table of events stand for, from its first rows; ``items`` are the known ids.

    Raises:
        DatasetError: no column holds the items.
    """
    looks = {str(column): _Look(table.frame[column], table.types.get(str(column))) for column in table.frame.columns}
    roles: dict[str, tuple[str, str]] = {
        column: (own.taken_for, "as given") for column, own in overrides.items() if column in looks
    }
    for column, (role, _) in roles.items():
        if role not in EVENT_ROLES:
            raise DatasetError(f"--column {column}={role}: events have {', '.join(EVENT_ROLES)}")

    def take(role: str, names: frozenset[str], why: str = "its name") -> None:
        if role in {own for own, _ in roles.values()}:
            return
        for column in looks:
            if column not in roles and folded(column) in names:
                roles[column] = (role, why)
                return

    take(USER, _NAMES["user"])
    take(HISTORY, _NAMES["history"])
    known = frozenset(map(loose_id, items))
    if table.headless and not roles and 2 <= len(looks) <= 4:
        roles |= _usual_order(looks, known)
    if ITEM not in {own for own, _ in roles.values()}:
        fits = {
            column: look.share([loose_id(value) in known for value in look.values[:500]])
            for column, look in looks.items() if column not in roles
        }  # fmt: skip
        named = [column for column in fits if _is_item_name(column, domain)]
        named.sort(key=lambda column: -fits[column])
        if named and (fits[named[0]] > 0 or max(fits.values()) < 0.5):
            roles[named[0]] = (ITEM, "its name")
        else:
            others = [
                column for column in fits if folded(column) not in _NAMES["rating"] | _NAMES["count"] | _NAMES["time"]
            ]
            best = max(others, key=lambda column: (round(fits[column], 1), looks[column].distinct), default=None)
            if best is not None and fits[best] > 0.5:
                roles[best] = (ITEM, "its values are ids of the items")
    for role in (SESSION, RATING, COUNT, TIME, EVENT):
        take(role, _NAMES[role])
    roles_taken = {role for role, _ in roles.values()}
    if ITEM not in roles_taken and HISTORY not in roles_taken:
        raise DatasetError(
            f"{table.name}: no column among {', '.join(looks)} holds ids of the items: name it with --column NAME=item"
        )
    found = Recognised()
    for column, look in looks.items():
        role, why = roles.get(column, (IGNORE, "says nothing of who did what"))
        found.columns.append(Column(column=column, taken_for=role, why=why, example=look.example, filled=look.filled))
    return found


def _usual_order(looks: Mapping[str, _Look], known: frozenset[str]) -> dict[str, tuple[str, str]]:
    """Roles of columns without names in the order that such files have: user, item, rating, time."""
    user, item, *rest = looks
    why = "its place in a file without column names"
    if looks[item].share([loose_id(value) in known for value in looks[item].values[:500]]) < 0.5:
        return {}
    roles = {user: (USER, why), item: (ITEM, why)}
    for column in rest:
        values = numbers(looks[column].values)
        late = bool(np.isfinite(values).any()) and float(np.nanmedian(values)) > 1e8
        roles[column] = (TIME, why) if late or RATING in {role for role, _ in roles.values()} else (RATING, why)
    return roles
