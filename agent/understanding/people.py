"""People: whom "he", "her other books" or "the author of" mean, and what is asked for of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.records.acts import Act, Ask, Want
from agent.records.conditions import Condition
from agent.understanding.scope import N
from agent.understanding.vocabulary import ANY_WORK, Vocabulary

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.understanding.message import Message

MOST = 3
"""So many people at most "they" stands for."""
_SAME_MAKER = re.compile(
    r"\b(?:(?:by|from|has|have|did|does) the (?:same )?(?P<who>\w+) (?:of|as|who (?:made|directed|"
    r"wrote)|behind|that (?:made|directed|wrote))|"
    r"(?:by |from |with )?the same (?P<same>\w+) (?:as|of))\W*$"
)
_BY_THEM = re.compile(
    r"\b(?:(?:by|with|from) (?:him|her|them)|(?:of|has|starring|featuring) (?:him|her)|"
    r"(?:more|others?|ones?|some) (?:of|from) (?:his|hers|theirs)|"
    r"(?:by|from|of|with) (?:that|the same) (?:director|author|writer|actor|actress|artist|guy|woman|man|person)|"
    rf"(?:his|her) (?:\w+ ){{0,2}}(?:{N}|works?|others?|stuff|best|\w+ography))\b"
)
"""Asks for others of a person who was named or asked about: "anything else by him?", "her early books"."""
BY_OTHERS = re.compile(
    r"\b(?:by|from|with) (?:some(?:one|body)|any(?:one|body)) else\b|\b(?:by|from|with) (?:another|a different|other|"
    r"different) (?:directors?|authors?|writers?|actors?|actress(?:es)?|artists?|people|person)\b|"
    r"\bnot (?:by|with|from) (?:him|her|them)\b"
)
"""Asks for what others made than the person named last: "similar, but by someone else"."""
_THEIR_WORK = re.compile(
    rf"\b(?:what|which|anything|something|everything|else|others?|more|{N})(?: else| other| more)?(?: {N})?"
    r"(?: that| which)? (?:(?:has|have|did|does|had|is|was) )?(?:he|she|they)(?:'s|'d| has| had| have| is| was)? "
    r"(?:(?:ever|also|else|been|actually) )*(?P<verb>[a-z]{2,})"
)
"""The same by what they do: "what else has she written?"."""
_THEY_DID = re.compile(
    r"\b(?:has|have|did|does) (?:he|she|they) (?:(?:ever|also|been) )*(?P<verb>[a-z]{2,}) "
    r"(?:anything|something|any|others?|more)\b"
)
OTHERS = re.compile(r"\b(?:else|others?|more|another|next)\b")
"""Asks for what was neither shown nor spoken of."""


def last_person(acts: Sequence[Act], catalogue: Catalogue) -> Condition | None:
    """Whom a message named or asked about last, as what others of theirs meet; None where nobody."""
    people = [name for name, facet in catalogue.facets.items() if facet.kind == "person"]
    questions = catalogue.domain.questions
    for act in reversed(acts):
        if not isinstance(act, Want | Ask):
            continue
        named = [own for own in act.conditions if own.op == "is" and own.facet in people]
        if named:
            return named[-1]
        if isinstance(act, Ask) and len(act.items) == 1:
            asked = questions[act.facet].facet if act.facet and act.facet in questions else act.facet
            for name in (*(own for own in people if own == asked), *people):
                names = catalogue[act.items[0]].attributes.get(name)
                if isinstance(names, tuple):
                    return Condition(name, "is", names[:MOST])
    return None


def theirs(marked: str, person: Condition | None, vocabulary: Vocabulary, catalogue: Catalogue) -> list[Condition]:
    """What others of ``person`` meet, where a message asks for those by "he", "her" or "that author"."""
    if person is None:
        return []
    work = _THEIR_WORK.search(marked) or _THEY_DID.search(marked)
    facet = None if work is None else vocabulary.facet_of(work["verb"])
    if facet is None and _BY_THEM.search(marked) is None and (work is None or work["verb"] not in ANY_WORK):
        return []
    if facet is not None:
        known = catalogue.items_by(facet)
        names = tuple(name for name in person.names if name in known)
        if names:
            return [Condition(facet, "is", names)]
    return [person]


def by_the_same(message: Message) -> list[Condition]:
    """Who made a named item, where others of the same people are wanted: "by the director of Jaws"."""
    found = []
    for own in message.told:
        match = _SAME_MAKER.search(message.marked[: own.place[0]])
        if match is None or len(own.mention.items) != 1:
            continue
        label = match["who"] or match["same"]
        for name, facet in message.catalogue.facets.items():
            names = message.catalogue[own.mention.items[0]].attributes.get(name)
            if facet.kind == "person" and isinstance(names, tuple) and label.startswith(facet.label):
                found.append(Condition(name, "is", names))
    return found
