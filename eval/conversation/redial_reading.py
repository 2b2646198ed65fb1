"""Reading: what is believed of a person at the end of a real conversation, against what they said of it afterwards.

The file holds a conversation a line: ``{"dialog_id", "messages": [{"who": "seeker" | "recommender", "text", "films",
"words"}], "judgements": {title: {"seen", "liked"}}}``, as collected for ReDial (Li et al., 2018). The seeker's messages
are read one after another, the other side's are their context. Titles stand in these texts as they were picked from a
list, with their years; ``natural`` writes them as people do.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from agent.catalogue.catalogue import Catalogue
from agent.data.importers.titles import article_first, parse_title
from agent.data.rows import RowError, checked, read_rows
from agent.records.acts import Act, Judge, Want
from agent.records.conditions import Condition
from agent.text import flat, words
from agent.understanding.likely import EVEN, clues_of, surest
from agent.understanding.reader import understand
from agent.understanding.reading import Compared, Context, Reading
from agent.understanding.vocabulary import vocabulary_of
from agent.understanding.wishes import WishReader
from eval.metrics import Interval
from training import likely

KEPT = 299
"""So many conversations are kept for the end."""
MEASURES = ("films", "liked", "disliked", "seen", "not_seen", "conditions")
_RESAMPLES = 1000
Report = Callable[[str, int, int], None]


class _Message(BaseModel):
    who: Literal["seeker", "recommender"]
    text: str
    films: tuple[str, ...]
    words: tuple[str, ...]


class _Judgement(BaseModel):
    seen: bool | None = None
    liked: bool | None = None


class _Conversation(BaseModel):
    """A line of the file."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    dialog_id: str
    messages: list[_Message]
    judgements: dict[str, _Judgement]


@dataclass(frozen=True, slots=True)
class Said:
    """One message: whose, its text, the titles and the words of categories and people that were marked in it."""

    seeker: bool
    text: str
    titles: tuple[str, ...]
    marked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One conversation; ``seen`` and ``liked`` are what the seeker said of each title afterwards (None: nothing)."""

    name: str
    messages: tuple[Said, ...]
    seen: Mapping[str, bool | None]
    liked: Mapping[str, bool | None]


@dataclass(slots=True)
class Believed:
    """What is believed at the end: items by verdict, items named, and all conditions that were ever asked for."""

    named: set[tuple[int, int]] = field(default_factory=set)
    liked: set[int] = field(default_factory=set)
    disliked: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    not_seen: set[int] = field(default_factory=set)
    conditions: set[tuple[str, str]] = field(default_factory=set)
    likely: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Share:
    """Precision, recall and F1 with intervals; ``wanted`` counts what there is to find."""

    precision: Interval
    recall: Interval
    f1: Interval
    wanted: int

    def to_json(self) -> dict[str, Any]:
        """Plain data: each figure with its interval."""
        figures = {name: getattr(self, name) for name in ("precision", "recall", "f1")}
        return {
            **{name: round(own.mean, 4) for name, own in figures.items()},
            "interval": {name: [round(own.low, 4), round(own.high, 4)] for name, own in figures.items()},
            "wanted": self.wanted,
        }


@dataclass(frozen=True, slots=True)
class Mistake:
    """One conversation's misses: (measure, what, "missed" or "wrong")."""

    name: str
    measure: str
    what: str
    kind: str


def read_conversations(path: Path) -> list[Told]:
    """The conversations of a file.

    Raises:
        RowError: it cannot be read, or a line is no conversation (with its number).
    """
    found = []
    for where, row in read_rows(path):
        given = checked(_Conversation, row, where)
        messages = tuple(Said(own.who == "seeker", own.text, own.films, own.words) for own in given.messages)
        told = given.judgements
        seen, liked = ({title: getattr(own, name) for title, own in told.items()} for name in ("seen", "liked"))
        found.append(Told(given.dialog_id, messages, seen, liked))
    if not found:
        raise RowError(f"{path} holds no conversation")
    return found


def part_of(told: Sequence[Told], part: str, seed: int = 0) -> list[Told]:
    """The ``development`` conversations, those ``kept`` for the end, or ``all``; the split is drawn with ``seed``."""
    order = list(range(len(told)))
    random.Random(seed).shuffle(order)
    kept = set(order[-KEPT:]) if len(told) > KEPT else set()
    if part == "all":
        return list(told)
    return [own for place, own in enumerate(told) if (place in kept) == (part == "kept")]


def natural(told: Told, seed: int = 0) -> Told:
    """The conversation with titles as people write them: no years, articles in front, every second in lower case."""
    choice = random.Random(f"{seed}-{told.name}")
    lower = {title: choice.random() < 0.5 for own in told.messages for title in own.titles}
    messages = []
    for own in told.messages:
        text = own.text
        for title in sorted(own.titles, key=len, reverse=True):
            plain = article_first(re.sub(_YEAR, "", title).replace("%3F", "?"))
            text = text.replace(title, plain.lower() if lower[title] else plain)
        messages.append(Said(own.seeker, text, own.titles, own.marked))
    return Told(told.name, tuple(messages), told.seen, told.liked)


_YEAR = r"\s*\((?:19|20)\d\d\)\s*$"


class Titles:
    """Finds the catalogue's item of a title that was marked."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Index the titles and aliases."""
        self._catalogue = catalogue
        self._items: dict[str, list[int]] = {}
        for item in catalogue.items:
            for name in {_key(item.title), *map(_key, item.aliases)}:
                self._items.setdefault(name, []).append(item.index)

    def named(self, title: str) -> frozenset[int]:
        """All items of that name, from whatever year."""
        link = self._catalogue.link(f'"{article_first(re.sub(_YEAR, "", title))}"')
        linked = {item for own in link for item in own.options}
        return frozenset({*self._items.get(_key(parse_title(title).title), ()), *linked})

    def item(self, title: str) -> int | None:
        """The item, the most rated where the title has no year; None where the catalogue lacks it."""
        parsed = parse_title(title.replace("%3F", "?"))
        options = self._items.get(_key(parsed.title), [])
        if parsed.year is not None:
            options = [own for own in options if abs((self._catalogue[own].year or 0) - parsed.year) <= 1]
        if not options and parsed.year is not None:
            found = self._catalogue.link(title.replace("%3F", "?"))
            options = [own.item for own in found if own.item is not None and len(found) == 1]
        return max(options, key=lambda own: int(self._catalogue.rating_count[own]), default=None)


def _key(title: str) -> str:
    return " ".join(word.key for word in words(title) if word.key not in ("the", "a", "an"))


def replay(told: Told, catalogue: Catalogue, watch: Callable[[Said, Context, Reading], None] | None = None) -> Believed:
    """Read the seeker's messages in order, and fold what they say."""
    believed = Believed()
    context = Context()
    said: list[str] = []
    offered: list[int] = []
    spoken: tuple[int, ...] = ()
    fresh = True
    for place, message in enumerate(told.messages):
        if not message.seeker:
            if not fresh:
                said, offered, fresh = [], [], True
            said.append(message.text)
            for link in catalogue.link(message.text):
                if link.options and link.options[0] not in offered:
                    offered.append(link.options[0])
            continue
        fresh = False
        context = Context(
            conditions=context.conditions,
            spoken=tuple(offered) or spoken,
            offered=tuple(offered),
            said=" ".join(said),
            acts=context.acts,
            begun=bool(context.acts),
        )
        reading = understand(message.text, context, catalogue)
        if watch is not None:
            watch(message, context, reading)
        for mention in reading.mentions:
            if not mention.reference:
                for item in mention.items or mention.options[:1]:
                    believed.named.add((place, item))
        conditions = _fold(reading.acts, context.conditions, believed)
        for item, chance in reading.likely:
            believed.likely[item] = surest(believed.likely.get(item), chance)
        spoken = reading.spoken or spoken
        context = Context(conditions=conditions, acts=reading.acts, begun=True)
    for item, chance in believed.likely.items():
        if item not in believed.seen | believed.not_seen:
            (believed.seen if chance > EVEN else believed.not_seen).add(item)
    return believed


def told_of_items(told: Sequence[Told], catalogue: Catalogue) -> list[likely.Told]:
    """What each message told of each item that the seeker said afterwards to have seen, or not."""
    titles = Titles(catalogue)
    rows: list[likely.Told] = []
    for one in told:
        had = {titles.item(title): own for title, own in one.seen.items() if own is not None}

        def watch(message: Said, context: Context, reading: Reading, had: dict[int | None, bool] = had) -> None:
            found = clues_of(message.text, context, reading.mentions, reading.acts, catalogue)
            rows.extend(likely.Told(clues, had[item]) for item, clues in found.items() if item in had)

        replay(one, catalogue, watch)
    return rows


def _fold(acts: Iterable[Act], held: tuple[Condition, ...], believed: Believed) -> tuple[Condition, ...]:
    for act in acts:
        if isinstance(act, Judge) and act.verdict == "not_interested":
            believed.liked.discard(act.item)
            believed.disliked.add(act.item)
        elif isinstance(act, Judge):
            for own in (believed.liked, believed.disliked, believed.seen, believed.not_seen):
                own.discard(act.item)
            if act.verdict in ("liked", "disliked", "seen"):
                believed.seen.add(act.item)
            if act.verdict in ("not_seen", "interested"):
                believed.not_seen.add(act.item)
            if act.verdict in ("liked", "interested"):
                believed.liked.add(act.item)
            if act.verdict == "disliked":
                believed.disliked.add(act.item)
        if isinstance(act, Want):
            believed.liked |= set(act.like) - believed.disliked
            believed.seen |= set(act.like) - believed.not_seen
            believed.conditions |= {(own.facet, name) for own in act.conditions for name in own.names}
            held = (
                act.conditions
                if act.opens_topic
                else (*(own for own in held if own.facet not in act.drops), *act.conditions)
            )
    return held


def reading_shares(
    told: Sequence[Told], catalogue: Catalogue, report: Report | None = None
) -> tuple[dict[str, Share], list[Mistake]]:
    """The figures over all conversations, with intervals that draw whole conversations, and every mistake."""
    titles = Titles(catalogue)
    counts = {measure: np.zeros((len(told), 3)) for measure in MEASURES}
    mistakes: list[Mistake] = []
    for row, one in enumerate(told):
        believed = replay(one, catalogue)
        for measure, (found, wanted, judged) in _compared(one, believed, catalogue, titles).items():
            right = found & wanted
            wrong, missed = (found - wanted) & judged, wanted - found
            counts[measure][row] = len(right), len(wrong), len(missed)
            for kind, items in (("wrong", wrong), ("missed", missed)):
                mistakes += [Mistake(one.name, measure, _name(what, catalogue), kind) for what in sorted(items)]
        if report is not None:
            report("conversations", row + 1, len(told))
    return {measure: _share(own) for measure, own in counts.items()}, mistakes


_Found = set[Any]


def _compared(
    told: Told, believed: Believed, catalogue: Catalogue, titles: Titles
) -> dict[str, tuple[_Found, _Found, _Found]]:
    """Of each measure: what was found, what there is, and what of the found may be called wrong."""
    named = {
        (place, item)
        for place, own in enumerate(told.messages)
        if own.seeker
        for title in own.titles
        if (item := titles.item(title)) is not None
    }
    # A title that was marked with another year is no mistake: in natural text nothing tells the year.
    alike = {
        (place, item)
        for place, own in enumerate(told.messages)
        if own.seeker
        for title in own.titles
        for item in titles.named(title)
    }
    found: dict[str, tuple[_Found, _Found, _Found]] = {"films": (believed.named, named, believed.named - alike)}
    known = {title: item for title in told.seen if (item := titles.item(title)) is not None}
    for measure, answers, truth, mine in (
        ("liked", told.liked, True, believed.liked),
        ("disliked", told.liked, False, believed.disliked),
        ("seen", told.seen, True, believed.seen),
        ("not_seen", told.seen, False, believed.not_seen),
    ):
        judged = {known[title] for title, answer in answers.items() if title in known and answer is not None}
        there = {known[title] for title, answer in answers.items() if title in known and answer is truth}
        found[measure] = (set(mine), there, judged)
    wanted = {pair for own in told.messages if own.seeker for word in own.marked if (pair := _value(word, catalogue))}
    either = wanted | {pair for own in told.messages for word in own.marked if (pair := _value(word, catalogue))}
    primary = vocabulary_of(catalogue).primary
    asked = {pair for pair in believed.conditions if pair[0] == primary or catalogue.facets[pair[0]].kind == "person"}
    people = {name for facet, name in wanted if facet != primary}
    # A person may be found under another facet than the most frequent one.
    asked = {next((own for own in either if own[1] == name and name in people), (facet, name)) for facet, name in asked}
    found["conditions"] = (asked, wanted, asked - either)
    return found


def _value(word: str, catalogue: Catalogue) -> tuple[str, str] | None:
    """The value of a facet that a marked word names; None where the catalogue has none."""
    vocabulary = vocabulary_of(catalogue)
    entries = vocabulary.names.get(tuple(own.key for own in words(word)), [])
    person = [own for own in entries if catalogue.facets[own.facet].kind == "person"]
    if person:
        best = max(person, key=lambda own: own.count)
        return best.facet, best.name
    text = f"a {word} one"
    folded = flat(text)
    read = WishReader.of(catalogue).read(text, folded, vocabulary.marked(folded), Compared(), ())
    mine = [own for own in read.conditions if own.facet == vocabulary.primary and own.names]
    return (mine[0].facet, mine[0].names[0]) if mine else None


def _name(what: Any, catalogue: Catalogue) -> str:
    if isinstance(what, tuple) and isinstance(what[1], int):
        return f"{what[0]}: {catalogue[what[1]].name}"
    return catalogue[what].name if isinstance(what, int) else " ".join(map(str, what))


def _share(counts: np.ndarray) -> Share:
    """From counts of right, wrong and missed, (conversations, 3)."""
    random_rows = np.random.default_rng(0).integers(0, len(counts), size=(_RESAMPLES, len(counts)))
    drawn = counts[random_rows].sum(axis=1)
    whole = counts.sum(axis=0)

    def interval(figure: Callable[[np.ndarray], np.ndarray]) -> Interval:
        low, high = np.nanpercentile(figure(drawn), [2.5, 97.5])
        return Interval(float(figure(whole[None])[0]), float(low), float(high))

    return Share(interval(_precision), interval(_recall), interval(_f1), int(whole[0] + whole[2]))


def _ratio(part: np.ndarray, of: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, of, out=np.zeros_like(part, dtype=np.float64), where=of > 0)
    return ratio


def _precision(counts: np.ndarray) -> np.ndarray:
    return _ratio(counts[:, 0], counts[:, 0] + counts[:, 1])


def _recall(counts: np.ndarray) -> np.ndarray:
    return _ratio(counts[:, 0], counts[:, 0] + counts[:, 2])


def _f1(counts: np.ndarray) -> np.ndarray:
    return _ratio(2 * counts[:, 0], 2 * counts[:, 0] + counts[:, 1] + counts[:, 2])
