"""Verdicts: what a message says of the items that it names, and which of several of one name it leaves open."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.catalogue.title_index import SERIES
from agent.records.acts import Ask, Judge, Want, WhichItem
from agent.text import flat
from agent.understanding.asking import Sentence
from agent.understanding.cues import ASK
from agent.understanding.judgements import VERDICTS
from agent.understanding.message import Message, Told
from agent.understanding.vocabulary import NOUN

_ONLY = re.compile(r"(?:^|[,.;!] |\b(?:want|show me|give me|please|but|now|all) )(?:just|only)(?: the)? $")
_CLAUSE = re.compile(
    r",|\bbut\b|\bso\b|\band (?:i|we|also|now|something|give|looking|no|not|nothing|maybe|then)\b|"
    r"\bbecause\b|\b(?:i'?m |am )?looking for\b|\bany other\b"
)
_ANEW = re.compile(
    r"\bi(?:'ve|'ll|'d)? (?:saw|have|had|will|would|also|really|do|did|loved?|liked?|just|think|thought|haven'?t|"
    r"never)\b"
)
"""Where somebody who writes without full stops says something new: "I like dramas I saw Heat and liked it"."""


def judges(message: Message, hidden: Sequence[tuple[int, int]]) -> list[Judge]:
    """What is thought of the items that are named, outside the ``hidden`` places."""
    found: dict[int, Judge] = {}
    for own in message.told:
        attitude = own.judgement.attitude
        if attitude not in VERDICTS or any(start <= own.place[0] < end for start, end in hidden):
            continue
        for item in _all_of(message, own):
            known = found.get(item)
            if known is None or known.verdict == "seen":
                found[item] = Judge(item, attitude, own.judgement.grade)  # type: ignore[arg-type]
    return list(found.values())


def which(message: Message, hidden: Sequence[tuple[int, int]]) -> list[WhichItem]:
    """The names of several items that nothing decides."""
    found = []
    for own in message.told:
        options = own.mention.options
        if own.mention.items or not options or whole_series(message, own):
            continue
        attitude, first = own.judgement.attitude, options[0]
        said: Want | Judge | Ask
        if any(start <= own.place[0] < end for start, end in hidden):
            continue
        if attitude in VERDICTS:
            said = Judge(first, attitude, own.judgement.grade)  # type: ignore[arg-type]
        elif attitude == "unlike":
            said = Want(unlike=(first,))
        elif attitude == "reject":
            said = Want(reject=(first,))
        else:
            said = Want(like=(first,), opens_topic=True)
        found.append(WhichItem(message.text[own.mention.start : own.mention.end], options, said))
    return found


def whole_series(message: Message, own: Told) -> bool:
    """Whether a name asks for all items that are called so: "all of Discworld", "only Batman", "Star Trek novels"."""
    if own.mention.reference or own.judgement.attitude in {*VERDICTS, "reject", "unlike"}:
        return False
    if _plural(message, own):
        return bool(own.mention.options)
    before, behind = message.marked[: own.place[0]], message.marked[own.place[1] :]
    meant = _ONLY.search(before) is not None or re.match(rf"\s+(?:{NOUN}+s\b|series\b)", behind) is not None
    said = flat(message.text[own.mention.start : own.mention.end])
    return meant and sum(title.startswith(said) for title in message.catalogue.flat_titles) >= SERIES


def judged_clauses(message: Message, sentences: Sequence[Sentence]) -> list[tuple[int, int]]:
    """The clauses that say what is thought of an item: words of wishes in them are none."""
    found = []
    for own in message.told:
        if own.judgement.attitude not in VERDICTS:
            continue
        sentence = next((one for one in sentences if one.start <= own.place[0] < one.end), None)
        if sentence is None:
            continue
        start, end = sentence.start, sentence.end
        for match in _CLAUSE.finditer(message.marked, sentence.start, sentence.end):
            if match.end() <= own.place[0]:
                start = match.start()
            elif match.start() >= own.place[1]:
                end = match.start()
                break
        anew = [match.start() for match in _ANEW.finditer(message.marked, start, own.place[0])]
        start = anew[-1] if anew else start
        if not ASK.search(message.marked[start : own.place[0]]):
            found.append((start, end))
    return found


def _all_of(message: Message, own: Told) -> tuple[int, ...]:
    """The items of a mention; those of the whole series where all of them are spoken of."""
    if not own.mention.items or own.mention.reference or not _plural(message, own):
        return own.mention.items
    return tuple(dict.fromkeys((*own.mention.items, *begins_with(message, own))))


def begins_with(message: Message, own: Told) -> list[int]:
    """The items whose titles go on from a name: "Star Wars: A New Hope", "Harry Potter and the Goblet of Fire"."""
    said = re.sub(r"^(?:the|an?) ", "", flat(message.text[own.mention.start : own.mention.end]))
    titles = enumerate(message.catalogue.flat_titles)
    return [item for item, title in titles if title.startswith((f"{said}:", f"{said} "))]


def _plural(message: Message, own: Told) -> bool:
    """Whether all items of a name are spoken of: "all of Discworld", "the whole Zelda series"."""
    before, behind = message.marked[: own.place[0]], message.marked[own.place[1] :]
    return (
        re.match(rf"\s+(?:{NOUN}+s|series|trilogy|saga|franchise)\b", behind) is not None
        and re.search(r"\b(?:all|every|whole|entire|complete)(?: of)?(?: the)? $", before) is not None
    )
