"""Later: what a message wants of the list of items that the person has put aside for another day."""

from __future__ import annotations

import re
from functools import lru_cache

from agent.records.acts import Later
from agent.text import flat
from agent.understanding.asking import MASK, masked_at
from agent.understanding.message import Message

_ADD = r"(?:put|add|save|stick|place|throw|keep|pop|stash|bookmark|move|include)"
_REMOVE = r"(?:take|remove|delete|drop|cross|strike|scratch|kick|clear|get)"
_NOT = re.compile(r"\b(?:not|never|don'?t|didn'?t|won'?t|without)(?: \w+)?\W*$")
_LATER = re.compile(
    rf"\b(?:save|keep|store|bookmark|stash|set|put) (?P<what>[^.!?]*?)(?: aside)? for (?:later|another (?:day|time))\b|"
    rf"\b(?:bookmark|save) (?P<this>(?:it|that|this|them|(?:the |number |#)?\w+|{MASK}+)(?: ones?)?)(?: please)?\W*$"
)
_SAVED = re.compile(r"\bwh(?:at|ich)\b[^.!?]*\b(?:have i|did i|i have|i'?ve|i) (?:saved?|bookmarked|put aside)\b")
_ASKS = r"(?:what(?:'?s)?|which|show|see|list|tell|read|open|view|display|anything|how many|is|are|do)"
_NUMBER = re.compile(r"\W*(?P<n>[1-9])\W*")
_POINTS = re.compile(r"\b(?:it|that|this|these|those|them|all|both|ones?|\d)\b")


@lru_cache(maxsize=16)
def _patterns(called: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What adds to, takes from and asks for the list that is ``called`` so."""
    name = re.escape(flat(called)).replace(r"\ ", r"[ -]?")
    mine = rf"(?:(?:my|our) (?:{name}|(?:[\w-]+ ){{0,2}}?[\w-]*list|bookmarks|saved \w+)|(?:the|your) {name})(?!\w)"
    return (
        re.compile(rf"\b{_ADD} (?P<what>[^.!?]*?) (?:back )?(?:on|to|in|onto|into) {mine}"),
        re.compile(rf"\b{_REMOVE} (?P<what>[^.!?]*?) (?:off|from|out|of) (?:of )?{mine}"),
        re.compile(rf"\b{_ASKS}\b[^.!?]*\b{mine}|^\W*{mine}\W*$"),
    )


def for_later(message: Message) -> Later | None:
    """What the message does with the list, or asks of it; None where it does not speak of it."""
    domain = message.catalogue.domain
    if domain.answers:
        return None
    text = masked_at(flat(message.plain), [own.place for own in message.told])
    add, remove, asks = _patterns(domain.later)
    if (match := remove.search(text)) is not None:
        adds = False
    elif (match := add.search(text) or _LATER.search(text)) is not None:
        adds = True
    else:
        return Later("show") if asks.search(text) or _SAVED.search(text) else None
    adds = adds == (_NOT.search(text[: match.start()]) is None)
    items = _items(message, match, adds)
    points = items or _POINTS.search(match.group())  # "add a comedy to my list" is a wish
    return Later("add" if adds else "remove", items) if points else None


def _items(message: Message, match: re.Match[str], adds: bool) -> tuple[int, ...]:
    context, group = message.context, "what" if match["what"] is not None else "this"
    start, end = match.span(group)
    told = [own for own in message.told if start <= own.place[0] < end]
    points = re.search(r"\b(?:it|that|this)\b", match[group]) is not None
    before = [item for own in message.told for item in own.mention.items if own.place[0] < start]
    if points and before and not told:
        return (before[-1],)  # "I liked Heat, save it for later"
    if not told:  # by itself it says more: "the second", "Heat"
        told = Message(message.plain[start:end], context, message.catalogue, message.vocabulary).told
    found = [item for own in told for item in own.mention.items or own.mention.options[: 1 if adds else None]]
    if found:
        return tuple(dict.fromkeys(found))
    if (number := _NUMBER.fullmatch(match[group])) is not None:
        return context.shown[int(number["n"]) - 1 : int(number["n"])]
    return context.spoken[-1:] or (context.shown if len(context.shown) == 1 else ()) if points else ()
