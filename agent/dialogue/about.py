"""About: what the data says of an item that was asked about, and plainly what it does not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agent.generation.phrases import a_kind, number_words
from agent.generation.realizer import Facts
from agent.text import flat

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.records.state import State

MOST_ITEMS = 3
"""At most so many items are spoken of in one answer."""

TAGS = 3
"""So many tags are named."""

NOT_IN_THE_DATA: Mapping[str, str] = {
    r"direct(?:s|ed|or|ors)?|film ?maker|who made": "who directed it",
    r"actors?|actress(?:es)?|cast|star(?:s|red|ring) in|who (?:stars|plays|acts)|plays in|who(?:'s| is) in": (
        "who plays in it"
    ),
    r"(?:screen)?writers?|wrote|written by|screenplay": "who wrote it",
    r"how long|length|run ?time|running time|minutes|hours": "how long it is",
    r"plot|story ?line|synopsis|happens?|ends?|ending|what(?:'s| is) .{1,80} about": "what happens in it",
    r"where (?:can|could|do|to)|stream(?:s|ing|ed)?|netflix|watch (?:it|that) (?:on|online)|dvd": (
        "where it can be watched"
    ),
    r"languages?|subtitles?|dubbed|spoken": "which language it is in",
    r"countr(?:y|ies)|where was|shot in|filmed in": "where it was made",
    r"budget|box office|gross(?:ed)?|earned?|money": "what it cost or earned",
    r"oscars?|awards?|prizes?|won": "which prizes it won",
    r"age rating|suitable|rated r|pg(?:-13)?|how old|too (?:scary|violent) for": "for which age it is",
    r"sound ?track|music|composer|score": "who wrote its music",
    r"sequels?|prequels?|remakes?": "whether it has sequels",
    r"scary|frightening|creepy|disturbing|violen(?:t|ce)|gory|gore|bloody|sad|depressing|slow|boring|funny|dark": (
        "more of its mood than its genres do"
    ),
}
"""What people ask of a film that rating data does not hold: an expression over folded text, and the thing in words."""

_MISSING = [(re.compile(rf"\b(?:{expression})\b"), words) for expression, words in NOT_IN_THE_DATA.items()]
_OPINION = re.compile(
    r"\b(?:stars?|ratings?|rated|viewers?|people (?:think|like|say)|popular|good|any good|worth|well received|liked)\b"
)
_TIME = re.compile(r"\b(?:year|when|how old is|old|released?|came out|from which)\b")
_KIND = re.compile(r"\b(?:genres?|kind|sort|type)\b")


def about(items: Sequence[int], message: str, state: State, catalogue: Catalogue) -> list[Facts]:
    """What to say of the items that ``message`` asks about: what is asked first, else all that is known.

    Args:
        items: catalogue indices; at most ``MOST_ITEMS`` are spoken of.
        message: the question.
        state: what is known of the user.
        catalogue: the items.
    """
    plain = flat(message)
    for index in items:
        plain = plain.replace(flat(catalogue[index].title), " ")
    missing = [words for expression, words in _MISSING if expression.search(plain)]
    sentences: list[Facts] = []
    for index in items[:MOST_ITEMS]:
        if missing or _TIME.search(plain) or _KIND.search(plain):
            sentences.append(description(index, catalogue))
        elif _OPINION.search(plain):
            sentences += [description(index, catalogue), opinion(index, catalogue)]
        else:
            sentences += [description(index, catalogue), opinion(index, catalogue), *tags(index, catalogue)]
        sentences += yours(index, state)
    if missing:
        sentences.insert(0, {"kind": "missing", "missing": missing})
    return sentences


def description(index: int, catalogue: Catalogue) -> Facts:
    """Title, kinds and year."""
    item = catalogue[index]
    kinds = [a_kind(genre) for genre in item.categories]
    return {"kind": "item", "title": item.title, "kinds": kinds, "year": item.year or 0}


def opinion(index: int, catalogue: Catalogue) -> Facts:
    """Mean stars and how many gave them."""
    viewers = int(catalogue.rating_count[index])
    stars = number_words(round(float(catalogue.mean_rating[index]), 1)) if viewers else ""
    return {"kind": "item_stars", "stars": stars, "viewers": viewers}


def tags(index: int, catalogue: Catalogue) -> list[Facts]:
    """The tags that fewest other items have; nothing where it has none."""
    own = [(len(items), tag) for tag, items in catalogue.items_by("tag").items() if index in items]
    return [{"kind": "item_tags", "tags": [tag for _, tag in sorted(own)[:TAGS]]}] if own else []


def yours(index: int, state: State) -> list[Facts]:
    """What the user's past says of it; nothing where they have not met."""
    event = next((event for event in reversed(state.history) if event.item == index), None)
    if event is None:
        return []
    if event.rating is None:
        return [{"kind": "item_yours", "attitude": "seen"}]
    return [{"kind": "item_yours", "attitude": "rated", "stars": number_words(event.rating)}]
