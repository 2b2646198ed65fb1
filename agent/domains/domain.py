"""Domains: what a catalogue's items are called, what their facets mean, and how people speak of them.

A domain is a folder with a ``domain.yaml``; what it does not say is taken from ``_base``. The shipped ones lie beside
this module, a user's own is given by its folder (``--domain ./wine``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FOLDER = Path(__file__).parent
BASE = "_base"
FILE = "domain.yaml"

Kind = Literal["category", "number", "year", "date", "duration", "money", "text", "person"]
NUMERIC: frozenset[Kind] = frozenset({"number", "year", "date", "duration", "money"})
NAMED: frozenset[Kind] = frozenset({"category", "person"})
Bound = tuple[Literal["at_least", "at_most", "last", "top", "bottom"], float]
"""What a word says of a number: a bound; the ``last`` n units, counted from the greatest number; or the greatest
(``top``) or least (``bottom``) share of the catalogue's items."""

ANY_NOUN, ANY_LABEL = ("|".join(line.split()) for line in (FOLDER / BASE / "nouns.txt").read_text("utf-8").splitlines())
"""Expressions of what people call items, and their kinds, in any domain; for cues that are compiled once for all."""

POPULARITY = "popularity"
"""The facet that every catalogue has: how many people had an item."""
RATING = "rating"
"""The other one: the mean grade that people gave it."""


class DomainError(ValueError):
    """A domain cannot be used; the message names the file, the key and the fix."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nouns(_Strict):
    """Words for an item: one, many, and what else people call it."""

    one: str = "item"
    many: str = "items"
    also: tuple[str, ...] = ()

    @property
    def any(self) -> str:
        """One with its article: "an artist"."""
        return f"{'an' if self.one[:1] in 'aeiou' else 'a'} {self.one}"

    @property
    def casual(self) -> str:
        """What people mostly call an item in conversation: the first of the other words, where there are some."""
        return self.also[0] if self.also else self.one


class Verbs(_Strict):
    """What a person does with an item: "a book to read", "books you read", "already read"."""

    base: str = "have"
    past: str = "had"
    done: str = "had"


class People(_Strict):
    """Who gives feedback: "rated by 120 viewers"."""

    one: str = "person"
    many: str = "people"


class Facet(_Strict):
    """One property of items that conditions, chips, questions and explanations may speak of.

    Attributes:
        name: its name in conditions and data cards.
        kind: what its values are; ``category`` and ``person`` hold names, ``text`` is only read for its meaning, a
            ``date`` is a number of days since 1970.
        primary: the category that says what sort of thing an item is.
        proper: whether its values are proper names, which keep their capitals inside a sentence.
        label, plural: how it is called in sentences.
        columns: the column names under which importers find it.
        separator: what stands between several values in one cell.
        unit: of numbers ("minutes", "£").
        phrase: how a condition on it is worded inside a noun phrase ("by {value}").
        adjective: whether its values stand before the noun instead ("racing games").
        words: value -> expressions that people use for it; for numbers, word -> (op, number).
        compounds: an expression -> several values that it asks for at once.
        also: other names that data sets give a value.
        cues: expressions that stand before a value of it ("directed by"); they decide between facets of one value.
        order: its values from the least to the most, where they have an order ("nothing over PG-13").
        standalone: whether its words are wishes wherever they stand, as those of the primary facet are.
        unspoken: expressions for values that no sentence names, because they say nothing of an item to others.
        called: value -> what sentences call it before a noun ("fantasy" books), then, where it has a noun of its own,
            one and several of it ("mystery", "mysteries"); in the order in which several stand before a noun.
        approximate: whether an item's number may be that of another version of it, and is said to be "about" so.
        predicted: whether values were inferred by a model rather than given by the data.
    """

    name: str = ""
    kind: Kind = "category"
    primary: bool = False
    proper: bool = False
    label: str = ""
    plural: str = ""
    columns: tuple[str, ...] = ()
    separator: str | None = None
    unit: str | None = None
    phrase: str = "{value}"
    adjective: bool = False
    words: Mapping[str, tuple[str, ...] | Bound] = Field(default_factory=dict)
    compounds: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    also: Mapping[str, str] = Field(default_factory=dict)
    cues: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    standalone: bool = False
    unspoken: tuple[str, ...] = ()
    called: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    approximate: bool = False
    predicted: bool = False

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.kind in NUMERIC

    def tells(self, value: str) -> bool:
        """Whether a value says something of an item to others."""
        return not any(_expression(own).fullmatch(value.casefold()) for own in self.unspoken)


class Images(_Strict):
    """Where pictures of items come from.

    Attributes:
        address: of a picture, with columns of identifiers, or facets, in braces: ``{image_url}``.
        lookup: an address of the same form that is asked first, where given: it answers with JSON whose ``field`` is
            ``{field}`` in ``address``.
        field: see ``lookup``.
        key: the environment variable with the key of the site; without it nothing is fetched. Empty: none is needed.
        parameter: the key's name in the query of ``lookup``; a key with a dot in it is a token, and sent as a header.
        credit: what the site wants to be said.
    """

    address: str
    lookup: str = ""
    field: str = ""
    key: str = ""
    parameter: str = ""
    credit: str = ""


class Critique(_Strict):
    """A comparative ("cheaper"): a facet with a direction, or values of a category that are wanted or left out."""

    facet: str
    direction: Literal["up", "down"] | None = None
    value: str | None = None
    without: tuple[str, ...] = ()
    words: tuple[str, ...]


class Sensitivity(_Strict):
    """What somebody cannot stand or needs ("hates blood", "for kids"), as values of facets.

    ``when`` it counts: where its words are refused ("no blood", the default where nothing is wanted), or asked for.
    """

    words: tuple[str, ...]
    when: Literal["refused", "asked"] | None = None
    want: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    without: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)


class Question(_Strict):
    """About an item: the facet that answers it, or values by which it is judged; ``none`` says what lacks."""

    words: tuple[str, ...]
    facet: str | None = None
    judge: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    none: str | None = None


class Watched(_Strict):
    """What a monitor watches unless told otherwise: the share of ``value`` of a facet, by the values of another."""

    facet: str
    value: str
    by: str | None = None


class Domain(_Strict):
    """What is particular to one kind of catalogue; see :class:`Facet` and ``agent/domains/README.md``.

    ``levels`` holds, for ``popularity`` and ``rating``, words and what they say of the number ("little known").
    ``hand_over`` is said to a question that no item answers; where there is one, a message is a question, read as it
    stands, and ``verdicts`` are the words that judge an answer ("that did not help").
    """

    name: str
    nouns: Nouns = Nouns()
    verbs: Verbs = Verbs()
    people: People = People()
    positive: str = "liked"
    facets: Mapping[str, Facet] = Field(default_factory=dict)
    critiques: Mapping[str, Critique] = Field(default_factory=dict)
    undecidable: tuple[str, ...] = ()
    surprise: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    sensitivities: Mapping[str, Sensitivity] = Field(default_factory=dict)
    questions: Mapping[str, Question] = Field(default_factory=dict)
    levels: Mapping[str, Mapping[str, Bound]] = Field(default_factory=dict)
    off_topic: tuple[str, ...] = ()
    starters: tuple[str, ...] = ()
    verdicts: Mapping[Literal["liked", "disliked"], tuple[str, ...]] = Field(default_factory=dict)
    hand_over: str | None = None
    phrasebook: str | None = None
    monitor: Watched | None = None
    later: str = "saved"
    """What a person's list of items for later is called ("watchlist", "reading list")."""
    editions: tuple[str, ...] = ()
    """Expressions for the part of a title that only tells one edition from others of the same work; ``{facet}`` stands
    for the words of a facet's values."""
    buttons: Mapping[str, str] = Field(default_factory=dict)
    """What a card's buttons say, where that is not "Like" and "Dislike"."""
    links: Mapping[str, str] = Field(default_factory=dict)
    """Site -> the address of an item there, with the column of identifiers in braces: ``https://x.example/{x_id}``."""
    images: Images | None = None
    """Where pictures of the items come from; the server fetches and keeps them."""
    card: tuple[str, ...] | None = None
    """The facets that a card shows below its title, in this order (None: people, lengths and prices)."""
    folder: Path = Path()

    @property
    def answers(self) -> bool:
        """Whether the items answer questions, and what none answers goes to a person."""
        return self.hand_over is not None

    @cached_property
    def primary(self) -> Facet | None:
        """The category that says what sort of thing an item is; None where there is none."""
        return next((facet for facet in self.facets.values() if facet.primary), None)

    @cached_property
    def ordinary_words(self) -> frozenset[str]:
        """The single words of wishes: values of the primary facet, moods and words for items."""
        facet = self.primary
        said = [*self.moods, *self.undecidable, self.nouns.one, self.nouns.many, *self.nouns.also]
        if facet is not None:
            said += [*facet.words, *(str(own) for words in facet.words.values() for own in words)]
        plain = {word for own in said for word in re.findall(r"[a-z]{3,}", str(own).casefold())}
        return frozenset(plain | {f"{word}s" for word in plain})

    def work_names(self, titles: Sequence[str]) -> list[str]:
        """The titles as names of works, for comparison: folded, without what only tells editions apart."""
        text = "\n".join(" ".join(title.casefold().split()) for title in titles)
        if self.editions:
            said = {
                name: "|".join([*map(re.escape, map(str.casefold, facet.words)), *_expressions(facet)])
                for name, facet in self.facets.items()
                if facet.words and not facet.numeric
            }
            pattern = "|".join(
                re.sub(r"\{([a-z_]+)\}", lambda own: f"(?:{said[own[1]]})", own) for own in self.editions
            )
            text = re.sub(r"[^\w\n]+", " ", re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", " ", text))
        named = text.split("\n")
        return [name.strip() or title.casefold() for name, title in zip(named, titles, strict=True)]

    def facet_for_column(self, column: str) -> Facet | None:
        """The facet that a column of this name holds; None where no facet claims it."""
        wanted = _folded(column)
        for facet in self.facets.values():
            if wanted in {_folded(name) for name in (facet.name, facet.plural, *facet.columns)}:
                return facet
        return None


def _expressions(facet: Facet) -> list[str]:
    """What people call the values of a facet of names, as expressions."""
    return [str(word) for words in facet.words.values() for word in words]


def load_domain(name_or_folder: str | Path = BASE) -> Domain:
    """A shipped domain by its name, or one from a folder that holds a ``domain.yaml``.

    Raises:
        DomainError: there is none, or its file has an unknown key or a value of the wrong kind.
    """
    given = str(name_or_folder)
    shipped = FOLDER / given
    folder = shipped if re.fullmatch(r"\w+", given) and (shipped / FILE).is_file() else Path(given).expanduser()
    if folder.name == FILE:
        folder = folder.parent
    if not (folder / FILE).is_file():
        raise DomainError(
            f"no domain {given!r}: use one of {', '.join(domain_names())}, or a folder that holds a {FILE}"
        )
    return _load(folder.resolve())


def domain_names() -> list[str]:
    """The shipped domains, sorted; ``_base`` is none."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{FILE}") if path.parent.name != BASE)


def domain_module(folder: Path, name: str) -> Any | None:
    """A module that lies beside the ``domain.yaml`` of a shipped domain; None where there is none, or for a user's."""
    if folder.parent != FOLDER or not (folder / f"{name}.py").is_file():
        return None
    return import_module(f"agent.domains.{folder.name}.{name}")


@lru_cache(maxsize=1024)
def _expression(text: str) -> re.Pattern[str]:
    return re.compile(text)


@lru_cache(maxsize=1)
def legacy_reader() -> Any:
    """Reads what was logged before data sets had domains: the module ``legacy`` of the domain that there was then."""
    return next(module for name in domain_names() if (module := domain_module(FOLDER / name, "legacy")) is not None)


@lru_cache(maxsize=16)
def _load(folder: Path) -> Domain:
    merged = _overlaid(_read(FOLDER / BASE / FILE), {} if folder == FOLDER / BASE else _read(folder / FILE))
    merged.setdefault("name", folder.name)
    merged["folder"] = folder
    facets: dict[str, Any] = merged.get("facets") or {}
    for name, facet in facets.items():
        facet = facets[name] = dict(facet or {})
        facet.setdefault("name", name)
        facet.setdefault("label", name.replace("_", " "))
        facet.setdefault("plural", f"{facet['label']}s")
    try:
        domain = Domain.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DomainError(f"{folder / FILE}: {where}: {first['msg']} (got {first['input']!r})") from None
    _check_expressions(domain)
    return domain


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DomainError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(data, dict):
        raise DomainError(f"{path} holds no mapping: start with `name: ...`")
    return data


def _overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``: mappings are merged key by key, a null takes a key out, all else is replaced.

    The keys of ``over`` come first, so that a column goes to a domain's own facet before one of ``_base``.
    """
    merged: dict[str, Any] = {}
    for key, value in over.items():
        known = base.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = _overlaid(known, value)
        elif value is not None or key not in base:
            merged[key] = value
    return merged | {key: value for key, value in base.items() if key not in over}


def _check_expressions(domain: Domain) -> None:
    said: list[str] = [*domain.undecidable, *domain.surprise, *domain.moods, *domain.off_topic]
    for level in domain.levels.values():
        said += level
    for critique in domain.critiques.values():
        said += critique.words
    for sensitivity in domain.sensitivities.values():
        said += sensitivity.words
    for question in domain.questions.values():
        said += question.words
    for words in domain.verdicts.values():
        said += words
    for facet in domain.facets.values():
        said += [*facet.compounds, *facet.cues, *facet.unspoken]
        said += facet.words if facet.numeric else [str(word) for words in facet.words.values() for word in words]
    for expression in said:
        try:
            re.compile(expression)
        except re.error as error:
            raise DomainError(f"{domain.folder / FILE}: {expression!r} is no regular expression: {error}") from None


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
