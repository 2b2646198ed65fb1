"""Conditions over a catalogue: how those of each kind of facet are merged, given up, worded and shown as chips.

What a condition filters is in :mod:`agent.catalogue.columns`. The kinds differ in little: names (categories, people)
are any-of or none-of, numbers (years, lengths, prices, counts) are spans.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from agent.domains.domain import POPULARITY, RATING, Facet
from agent.records.conditions import Condition, Conditions, Names

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue

MOST_NAMED = 4
"""So many values of one condition are named in a sentence or a chip; more are only counted."""

MOST_NEGATIVE = 2
"""So many conditions on what is not wanted are named in a noun phrase; their chips show them all."""

FEW_VALUES = 60
"""Of a facet with so many values it can be asked that an item has another one than those that are not wanted."""

MOST_COMPOUND = 3
"""So many kinds make one noun ("crime novel"); more are listed."""

MOST_BEFORE = 2
"""A wish in words of more words than this stands after the noun."""

_AFTER_NOUN = re.compile(
    r"(?:about|with|without|from|in|on|at|of|by|for|like|set|based|involving|featuring|starring|where|who|whose|that|which|"
    r"to|through|during|under|over|full|tagged|no|not|never|less|more|made|shot|taking|told|made|inspired)\b"
)
"""What a wish in words begins with that can only stand after the noun."""

MOSTLY_ONE = 1.5
"""Values of a facet of which items have fewer than this in the mean exclude each other."""

LARGEST_SEARCH = 9
"""Of so many conditions every two and three are tried when some must be given up; more go one by one."""


NAMED = 6.0
"""What it costs to give up a proper name; what is not wanted costs more, all else less."""

LATEST = 3.0
"""So much more it costs to give up what the latest message asked for."""


# --- words -----------------------------------------------------------------------------------------------------------


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def plain_number(value: float, facet: Facet | None = None) -> str:
    """A number as sentences write it, with the facet's unit: ``95 minutes``, ``£20``, ``£17.90``, ``1984``, ``4.2``."""
    places = 2 if facet is not None and facet.kind == "money" else 1
    text = str(int(value)) if float(value).is_integer() else f"{value:.{places}f}"
    if facet is None or facet.kind == "year":
        return text
    if int(value) >= 10_000 and float(value).is_integer():
        text = f"{int(value):,}"
    if not facet.unit:
        return text
    return f"{text} {facet.unit}" if facet.unit[0].isalnum() else f"{facet.unit}{text}"


def value_name(value: str, facet: Facet) -> str:
    """A value inside a sentence: what sort of thing an item is in lower case, proper names as they are."""
    called = facet.called.get(value, ())
    if len(called) == 3 or (called and not facet.primary):
        return called[-2] if len(called) == 3 else called[0]
    return value.lower() if facet.primary and not facet.proper else value


def _before_it(value: str, facet: Facet) -> str:
    called = facet.called.get(value)
    return called[0] if called else value_name(value, facet)


def kinds_phrase(values: Sequence[str], facet: Facet, noun: str, several: bool = False) -> str:
    """What sort of thing an item is, as a noun phrase: "crime novel", "dark fantasy books"."""
    order = {value: place for place, value in enumerate(facet.called)}
    if not values or len(values) > MOST_COMPOUND or not set(values) <= set(order):
        return f"{listed([_before_it(value, facet) for value in values])} {noun}".strip()
    values = sorted(values, key=order.__getitem__)
    last = facet.called[values[-1]]
    head = [last[2 if several else 1]] if len(last) == 3 else [_before_it(values[-1], facet), noun]
    return " ".join([*(_before_it(value, facet) for value in values[:-1]), *head])


def telling_kinds(item: int, catalogue: Catalogue) -> list[str]:
    """The values of the primary facet that tell something of an item, as sentences name them."""
    primary = catalogue.primary
    if primary is None:
        return []
    facet = catalogue.domain.facets.get(primary.facet.name, primary.facet)
    return [value_name(own, facet) for own in _telling(item, facet, catalogue)]


def kind_of(item: int, catalogue: Catalogue, among: Iterable[str] | None = None, most: int = 2) -> str:
    """What sort of thing an item is, with its noun: "crime novel", by the rarest of its kinds.

    Of many kinds, which people made up, the first are taken. ``among``: these kinds alone are named (None: any).
    """
    primary, noun = catalogue.primary, catalogue.domain.nouns.one
    if primary is None:
        return noun
    values = _telling(item, primary.facet, catalogue)
    chosen = values if among is None else [own for own in values if own in set(among)]
    rarest = chosen[:most]
    if len(primary.values) <= FEW_VALUES:
        rarest = sorted(chosen, key=lambda own: int(primary.counts[primary.place[own]]))[:most]
    return kinds_phrase([own for own in chosen if own in rarest], primary.facet, noun)


def _telling(item: int, facet: Facet, catalogue: Catalogue) -> list[str]:
    title = catalogue[item].title.casefold()
    unnamed = {value for value, called in facet.called.items() if not called}
    values = catalogue[item].categories
    return [own for own in values if own.casefold() != title and own not in unnamed and facet.tells(own)]


def noun_phrase(
    conditions: Iterable[Condition], catalogue: Catalogue, count: int = 2, words: Sequence[str] = ()
) -> str:
    """What is asked for, as a noun phrase: "fantasy books from the 1990s by Terry Pratchett, no horror".

    ``words`` are wishes in words that hold as well: "courtroom dramas", "comedies about a dog".
    """
    nouns = catalogue.domain.nouns
    noun = nouns.one if count == 1 else nouns.many
    kinds: list[str] = []
    heads: list[str] = []
    adjectives = [own for own in words if _before_noun(own)]
    behind = [own for own in words if not _before_noun(own)]
    also: list[str] = []
    after = [listed(behind)] if behind else []
    last: list[str] = []
    before = ""
    primary = catalogue.primary
    called = {} if primary is None else primary.facet.called
    for condition in conditions:
        facet = catalogue.facets.get(condition.facet)
        if facet is None:
            continue
        if condition.negative:
            last.append(_negative(condition, facet))
        elif condition.names and facet.primary and len(condition.names) == 1 and called.get(condition.names[0]):
            kinds.append(condition.names[0])
        elif condition.names and facet.primary and not heads:
            heads.append(listed([_before_it(own, facet) for own in condition.names[:MOST_NAMED]], "or"))
        elif condition.names and facet.primary:
            also.append(_names(condition.names, facet))
        elif condition.names and facet.adjective and not facet.predicted:
            adjectives.append(_names(condition.names, facet))
        elif facet.name == before and condition.names:
            after[-1] = f"{after[-1]} and {_names(condition.names, facet)}"
        else:
            after.append(phrase(condition, facet, count))
            before = facet.name
    if kinds and primary is not None:
        also = [*heads, *also]
        heads, noun = [], kinds_phrase(kinds, primary.facet, noun, several=count != 1)
    if also:
        after.insert(0, f"that {'is' if count == 1 else 'are'} also {listed(also)}")
    text = " ".join([*adjectives, *heads, noun, *after] if kinds else [*heads, *adjectives, noun, *after])
    return ", ".join([text, *last[:MOST_NEGATIVE]])


def _before_noun(words: str) -> bool:
    """Whether a wish in words stands before a noun ("courtroom"), not after it ("about dogs", "set in Paris")."""
    return len(words.split()) <= MOST_BEFORE and _AFTER_NOUN.match(words.casefold()) is None


def phrase(condition: Condition, facet: Facet, count: int = 2) -> str:
    """One condition as words that follow a noun: "from the 1990s", "with Bill Murray", "not in French"."""
    if condition.negative:
        return _negative(condition, facet)
    if condition.names and facet.predicted and not facet.primary:
        return f"that {seeming(_names(condition.names, facet), facet, count)}"
    if condition.names:
        return _put(facet, _names(condition.names, facet))
    if facet.name == POPULARITY:
        low, high = condition.span
        if low is not None and high is not None:
            return f"known to {plain_number(low)} to {plain_number(high)} people"
        return "that are well known" if low is not None else "that are not too well known"
    if facet.name == RATING:
        low, high = condition.span
        return f"rated {plain_number(low)} or better" if low is not None else f"rated {plain_number(high or 0)} or less"
    return _put(facet, span_words(condition.span, facet))


def seeming(value: str, facet: Facet, count: int = 1) -> str:
    """What a model read out of an item's text, as the rest of a sentence: "sounds dark", "seems to be about oil"."""
    if facet.phrase == "{value}":
        return f"{'sounds' if count == 1 else 'sound'} {value}"
    return f"{'seems' if count == 1 else 'seem'} to be {facet.phrase.format(value=value)}"


def span_words(span: tuple[float | None, float | None], facet: Facet) -> str:
    """A span of numbers: "the 1990s", "2000 or later", "at most 95 minutes"."""
    low, high = span
    year = facet.kind == "year"
    if low is not None and high is not None:
        if low == high:
            return plain_number(low, facet)
        if year and low % 10 == 0 and high == low + 9:
            return f"the {int(low)}s"
        bare = plain_number(low) if not year else str(int(low))
        if facet.unit and not facet.unit[0].isalnum():
            bare = plain_number(low, facet)
        return f"{bare} to {plain_number(high, facet)}"
    if low is not None:
        return f"{int(low)} or later" if year else f"at least {plain_number(low, facet)}"
    if high is not None:
        return f"{int(high)} or earlier" if year else f"at most {plain_number(high, facet)}"
    return ""


def chip(condition: Condition, facet: Facet) -> str:
    """A condition as the short text of a chip."""
    if condition.negative and not condition.names:
        text = f"not {span_words(condition.span, facet)}"
    elif condition.negative:
        text = _negative(condition, facet)
    elif condition.names:
        text = (
            listed(list(condition.names[:MOST_NAMED]), "or") if facet.phrase == "{value}" else phrase(condition, facet)
        )
    elif facet.name == POPULARITY:
        text = "well known" if condition.span[0] is not None else "not too well known"
    else:
        text = phrase(condition, facet)
    extra = {"standing": ", always"}.get(condition.scope, "")
    return f"{text}{' (preferred)' if condition.strength == 'prefer' else ''}{extra}"


def chip_key(condition: Condition) -> str:
    """What :func:`without_key` knows a condition by."""
    if condition.names:
        return f"{condition.facet}:{condition.op}:{'|'.join(condition.names)}"
    low, high = condition.span
    return f"{condition.facet}:{condition.op}:{'' if low is None else f'{low:g}'}-{'' if high is None else f'{high:g}'}"


def without_key(conditions: Conditions, key: str) -> Conditions:
    """The conditions without those of a chip's key, or of a facet's name."""
    return tuple(condition for condition in conditions if key not in (condition.facet, chip_key(condition)))


def item_value(item: int, facet: Facet, catalogue: Catalogue) -> str:
    """What an item is on a facet, in words; empty where nothing is known."""
    if facet.name == POPULARITY:
        return had_by(int(catalogue.rating_count[item]), catalogue)
    if facet.name == RATING:
        mean = float(catalogue.mean_rating[item])
        return "" if math.isnan(mean) else f"rated {plain_number(round(mean, 1))}"
    value = catalogue[item].attributes.get(facet.name)
    if value is None:
        return ""
    if isinstance(value, tuple):
        return listed([value_name(own, facet) for own in value if facet.tells(own)])
    if not isinstance(value, int | float):
        return str(value)
    return f"{'about ' if facet.approximate else ''}{plain_number(value, facet)}"


def had_by(count: int, catalogue: Catalogue) -> str:
    """How many people had an item: "rated by 1 viewer", "heard by 1 listener" where they gave no grades."""
    people = catalogue.domain.people
    done = "rated" if catalogue.rated else catalogue.domain.verbs.done
    return f"{done} by {count:,} {people.one if count == 1 else people.many}"


def _names(names: Names, facet: Facet) -> str:
    places = sorted(facet.order.index(name) for name in names if name in facet.order)
    if len(places) == len(names) > 2 and places[0] == 0:
        return f"{facet.order[places[-1]]} or lower"
    shown = [value_name(name, facet) for name in names[:MOST_NAMED]]
    return listed(shown, "or")


def _put(facet: Facet, value: str) -> str:
    if facet.phrase == "{value}" and facet.numeric:
        return f"of {value}" if facet.kind == "duration" else f"with {facet.label} {value}"
    if facet.phrase == "{value}" and not facet.primary:
        return f"of the {facet.label} {value}"
    return facet.phrase.format(value=value)


def _negative(condition: Condition, facet: Facet) -> str:
    if not condition.names:
        return f"not {_put(facet, span_words(condition.span, facet))}"
    value = _names(condition.names, facet)
    return f"no {value}" if facet.phrase == "{value}" or "“" in facet.phrase else f"not {_put(facet, value)}"


# --- merging ---------------------------------------------------------------------------------------------------------


def merged(held: Conditions, added: Iterable[Condition], catalogue: Catalogue) -> Conditions:
    """The conditions that hold after a refinement: the latest word counts where two cannot hold together.

    A new bound on a number joins the others where something lies between them, else it takes their place. Wanted names
    join those of before (both must be met) where some item meets all and items have several, else they replace those of
    their facet. What is wanted now is no longer left out, and the other way round.
    """
    before = set(held)
    for new in added:
        if new in held:
            continue
        held = _numbers(held, new) if not new.names else _named(held, new, before, catalogue)
    return held


def _numbers(held: Conditions, new: Condition) -> Conditions:
    if new.negative:
        return (*held, new)
    kept = []
    for old in held:
        if old.facet != new.facet or old.names or old.negative:
            kept.append(old)
            continue
        (old_low, old_high), (low, high) = old.span, new.span
        one_sided = new.op != "between"
        if (one_sided and low is not None and old_high is not None and low <= old_high and old.op == "at_most") or (
            one_sided and high is not None and old_low is not None and high >= old_low and old.op == "at_least"
        ):
            kept.append(old)
        elif one_sided and old.op == "between" and old_low is not None and old_high is not None:
            span = (
                max(old_low, low if low is not None else old_low),
                min(old_high, high if high is not None else old_high),
            )
            if span[0] <= span[1]:
                new = replace(new, op="between", value=span)
    return (*kept, new)


def _named(held: Conditions, new: Condition, before: Set[Condition], catalogue: Catalogue) -> Conditions:
    names = set(new.names)
    kept: list[Condition] = []
    for old in held:
        if old.facet == new.facet and old.names and old.negative != new.negative:
            left = tuple(name for name in old.names if name not in names)
            if left:
                kept.append(replace(old, value=left))
        else:
            kept.append(old)
    if new.negative:
        return (*kept, new)
    together = (*kept, new)
    same = [old for old in kept if old in before and old.facet == new.facet and old.names and not old.negative]
    if same and new.strength == "must" and (exclusive(new.facet, catalogue) or not catalogue.mask([*same, new]).any()):
        together = (*(old for old in kept if old not in same), new)
    return together


def exclusive(facet: str, catalogue: Catalogue) -> bool:
    """Whether items mostly have one value of a facet (a platform, a language): another one is then meant instead."""
    column = catalogue.names_column(facet)
    return column.facet.kind == "category" and column.matrix.nnz < MOSTLY_ONE * len(np.unique(column.matrix.indices))


def cautious(conditions: Iterable[Condition], catalogue: Catalogue) -> Conditions:
    """What leaves out the doubtful: items of which it is not known whether they have what is not wanted.

    For each condition on what is not wanted, of a facet with few values ("not rated R"), one that asks for any other.
    """
    found = []
    for condition in conditions:
        facet = catalogue.facets.get(condition.facet)
        if not condition.negative or not condition.names or facet is None or facet.primary:
            continue
        others = tuple(own for own in catalogue.names_column(facet.name).values if own not in condition.names)
        if 0 < len(others) <= FEW_VALUES:
            found.append(Condition(facet.name, "is", others, "prefer", condition.scope))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Beyond:
    """A condition on a number outside of what the catalogue spans."""

    condition: Condition
    least: float
    most: float


def within_span(conditions: Iterable[Condition], catalogue: Catalogue) -> tuple[Conditions, tuple[Beyond, ...]]:
    """The conditions that the catalogue's numbers can meet at all, and those that they cannot."""
    kept, beyond = [], []
    for condition in conditions:
        column = (
            None if condition.facet not in catalogue.facets or condition.names else catalogue.column(condition.facet)
        )
        least, most = (None, None) if column is None else (column.least, column.most)  # type: ignore[union-attr]
        low, high = condition.span
        out = (low is not None and most is not None and low > most) or (
            high is not None and least is not None and high < least
        )
        if out and not condition.negative and least is not None and most is not None:
            beyond.append(Beyond(condition, least, most))
        else:
            kept.append(condition)
    return tuple(kept), tuple(beyond)


# --- giving up -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A condition that was given up, or widened to ``now``."""

    was: Condition
    now: Condition | None = None


def relax(
    conditions: Conditions,
    catalogue: Catalogue,
    left_out: Iterable[int] = (),
    enough: int = 1,
    latest: Conditions = (),
    before: Conditions = (),
) -> tuple[Conditions, tuple[GivenUp, ...]]:
    """The conditions that at least ``enough`` items meet, with as little given up as possible.

    What is only preferred costs least, then how well known an item is, its rating, other words, numbers, years, names
    of the primary category (the last named first), proper names (people, series, platforms), and what is not wanted.
    ``latest`` are those of the latest message, which cost more than others of their kind. Numbers are widened to the
    closest items there are, yet not past a bound of ``before`` that they took the place of ("cheaper"); the rest is
    dropped. Conditions come back as they are where enough items meet them, or where nothing can be gained.
    """
    out = list(left_out)

    def left(wanted: Conditions) -> int:
        return int(np.count_nonzero(catalogue.mask(wanted, out)))

    found = left(conditions)
    if found >= enough:
        return conditions, ()
    new = set(latest)
    costs = [_cost(own, catalogue, own in new) for own in conditions]
    order = sorted(range(len(conditions)), key=lambda place: (costs[place], -place))
    best: tuple[int, Conditions, tuple[GivenUp, ...]] = (found, conditions, ())
    for group in _groups(order, costs):
        if best[0] and any(costs[place] >= NAMED for place in group):
            break  # few items that keep what was named are better than many that do not
        relaxed, given = _without(group, conditions, catalogue, out, enough, before)
        count = left(relaxed) if given else 0
        if count >= enough:
            return relaxed, given
        if count > best[0]:
            best = (count, relaxed, given)
    return best[1], best[2]


def _groups(order: Sequence[int], costs: Sequence[float]) -> Iterator[tuple[int, ...]]:
    """Sets of conditions to give up: one, two, three (the cheapest first within each), then ever more of them."""
    for size in (1, 2, 3):
        yield from sorted(combinations(order[:LARGEST_SEARCH], size), key=lambda group: sum(costs[p] for p in group))
    for size in range(4, len(order) + 1):
        yield tuple(order[:size])


def _without(
    group: Iterable[int],
    conditions: Conditions,
    catalogue: Catalogue,
    left_out: list[int],
    enough: int,
    before: Conditions,
) -> tuple[Conditions, tuple[GivenUp, ...]]:
    places = set(group)
    kept = tuple(own for place, own in enumerate(conditions) if place not in places)
    given = []
    # Numbers are widened last: how far they must go depends on what else was dropped.
    for place in sorted(places, key=lambda place: not conditions[place].names):
        was = conditions[place]
        now = None
        if not (was.names or was.negative or was.facet == POPULARITY):
            limit = tuple(own for own in before if _wider(own, was))
            now = _widened(was, (*kept, *limit), catalogue, left_out, enough) or next(iter(limit), None)
        if now is not None:
            kept = (*kept, now)
        given.append(GivenUp(was, now))
    return kept, tuple(own for own in given if own.was != own.now)


def _widened(
    condition: Condition, others: Conditions, catalogue: Catalogue, left_out: list[int], enough: int
) -> Condition | None:
    numbers = catalogue.number_column(condition.facet).numbers[catalogue.mask(others, left_out)]
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return None
    low, high = condition.span
    distance = np.zeros_like(numbers)
    if low is not None:
        distance = np.maximum(distance, low - numbers)
    if high is not None:
        distance = np.maximum(distance, numbers - high)
    nearest = numbers[np.argsort(distance, kind="stable")[:enough]]
    if low is not None and high is not None:
        return replace(condition, value=(min(low, float(nearest.min())), max(high, float(nearest.max()))))
    if low is not None:
        return replace(condition, value=min(low, float(nearest.min())))
    return replace(condition, value=max(high or 0.0, float(nearest.max())))


def _wider(old: Condition, new: Condition) -> bool:
    """Whether ``old`` bounds the same number on the same side, further out."""
    if old.facet != new.facet or old.names or old.negative:
        return False
    (old_low, old_high), (low, high) = old.span, new.span
    below = high is not None and old_high is not None and old_high > high
    above = low is not None and old_low is not None and old_low < low
    return below or above


def _cost(condition: Condition, catalogue: Catalogue, latest: bool) -> float:
    facet = catalogue.facets.get(condition.facet)
    if facet is None:
        return 0.0
    if condition.negative:
        cost = 8.0
    elif facet.name == POPULARITY:
        cost = 1.0
    elif facet.name == RATING:
        cost = 1.5
    elif facet.kind == "person" or (condition.names and _proper(condition, facet)):
        cost = NAMED
    elif facet.primary:
        cost = 5.0
    elif facet.kind == "year":
        cost = 3.0
    elif facet.numeric:
        cost = 2.5
    else:
        cost = 2.0
    if condition.strength == "prefer":
        return cost / 100
    return cost + LATEST if latest else cost


def _proper(condition: Condition, facet: Facet) -> bool:
    """Whether a condition wants something by its proper name."""
    return facet.proper if facet.primary else all(name[:1].isupper() for name in condition.names)
