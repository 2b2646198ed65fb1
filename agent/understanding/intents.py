"""Intents: what a message wants of Concierge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.understanding.intent_cues import (
    ABOUT,
    ACCEPT,
    ASK,
    BARE_NO,
    CHANGE,
    CHAT,
    COMPARE,
    FILM,
    GREETING,
    NEGATION,
    POLITE,
    PROFILE,
    REJECT,
    RESET,
    SUM,
    THANKS,
    TOPICS,
    UNDO,
    WHICH,
    WHY,
    WHY_NOT,
)

Intent = Literal[
    "recommend",
    "refine",
    "reject",
    "ask",
    "compare",
    "rate",
    "why",
    "why_not",
    "profile",
    "thanks",
    "greeting",
    "chat",
    "undo",
    "reset",
    "off_topic",
    "other",
]
"""``ask``: about an item; ``chat``: chit-chat; ``why``: "why the second one?"; ``why_not``: "why not Alien?";
``profile``: "what do you think I like?"."""

TALK: frozenset[Intent] = frozenset(
    {"ask", "compare", "why", "why_not", "profile", "thanks", "greeting", "chat", "undo", "off_topic"}
)
"""Intents that wish for nothing: words of wishes in such a message ("is it scary?") are no conditions."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What of a message tells its intent.

    ``flat`` is the folded message with a mark in place of each title and reference; ``felt`` are the attitudes
    towards them (towards titles that are ambiguous as well); ``items`` counts the films meant, ``references`` says
    whether one of them was told by a reference. ``wish`` says whether anything is wished, ``checkable`` whether the
    catalogue can decide some of it. ``refused`` says that a film was refused ("not the second one"). ``shown``
    counts the films shown last; ``compared`` says that the wish compares with these. ``begun`` says whether the
    conversation has begun, ``standing`` whether conditions stand. ``correction`` says that an earlier title is
    mended, after a message of intent ``last``.
    """

    flat: str
    felt: Sequence[str]
    items: int
    references: bool
    wish: bool
    checkable: bool
    refused: bool
    shown: int
    compared: bool
    begun: bool
    standing: bool
    correction: bool
    last: Intent | None


def intent_of(signs: Signs) -> Intent:
    """The intent of a message; what is clearest and most specific decides first."""
    flat, films = signs.flat, signs.items > 0
    if RESET.search(flat):
        return "reset"
    if PROFILE.search(flat) and not films:
        return "profile"
    if not films and CHAT.search(flat) and not re.sub(r"[\W_]+", "", POLITE.sub(" ", CHAT.sub(" ", flat))):
        other = (signs.shown and rejects(flat)) or THANKS.search(flat) or GREETING.match(flat)
        if not other:
            return "chat"
    small = _small_talk(signs)
    if small is not None:
        return small
    if signs.correction:
        # What is mended may be a question ("tell me about ..."), else it is what the films are chosen by.
        return signs.last if signs.last in ("ask", "why", "why_not", "compare", "rate") else "refine"
    talk = _question(signs)
    if talk is not None:
        return talk
    asked = ASK.search(flat) is not None
    rejected = (signs.refused or rejects(flat)) and (signs.shown > 0 or signs.references)
    if rejected and not signs.wish and not (films and not signs.references and "like" in signs.felt):
        return "reject"
    if signs.felt and not signs.wish and not asked and all(a in ("liked", "disliked", "seen") for a in signs.felt):
        return "rate"
    if not films and not signs.checkable and not FILM.search(flat):
        if TOPICS.search(flat) or SUM.search(flat):
            return "off_topic"
        if (
            CHAT.search(flat)
            and not signs.wish
            and not re.search(ASK.pattern.replace("|please", ""), CHAT.sub(" ", flat))
        ):
            return "chat"
    if signs.wish or asked or "like" in signs.felt or "unlike" in signs.felt:
        return "refine" if signs.standing or signs.compared or (signs.begun and CHANGE.search(flat)) else "recommend"
    return "refine" if films and signs.refused and signs.begun else "other"


def rejects(flat: str) -> bool:
    """Whether a folded message refuses what was shown ("none of these", "no")."""
    return REJECT.search(flat) is not None or BARE_NO.fullmatch(flat) is not None


def _small_talk(signs: Signs) -> Intent | None:
    """A message that is nothing but polite, or takes the last one back."""
    flat = signs.flat
    if UNDO.search(flat) and not signs.items and not signs.wish and len(UNDO.sub(" ", flat).split()) <= 4:
        return "undo"
    liked = all(attitude in ("about", "like") for attitude in signs.felt)
    if signs.items and not (liked and signs.references):
        return None
    rest = re.sub(r"[\W_]+", " ", POLITE.sub(" ", flat)).strip()
    if signs.references and ACCEPT.search(flat):
        rest = re.sub(r"[\W_]+", " ", POLITE.sub(" ", ACCEPT.sub(" ", flat))).strip()
        if not rest:
            return "thanks"
    if not rest and THANKS.search(flat):
        return "thanks"
    if not rest and GREETING.search(flat) and not signs.items:
        return "chat" if re.search(r"\bhow are\b|\bhow is it\b|\bdoing\b", flat) else "greeting"
    return None


def _question(signs: Signs) -> Intent | None:
    """A question about films, or about why they were chosen."""
    flat = signs.flat
    opinions = [attitude for attitude in signs.felt if attitude in ("liked", "disliked", "seen")]
    open_wish = re.search(
        r"\b(?:recommend|suggest)(?! (?:me |us )?¤)|\bsomething\b|\banything (?:like|similar|with)\b", flat
    )
    if signs.items and WHY_NOT.search(flat) and NEGATION.search(flat) and not signs.checkable:
        return "why_not"
    if WHY.search(flat) and "?" not in flat[: max(0, flat.find("why"))] and (signs.items or signs.shown):
        bare = not signs.items and (signs.checkable or re.search(r"why not|why don't (?:we|you)", flat))
        if not bare and not re.search(r"(?:that'?s|is) why\b", flat):
            return "why"
    if signs.items > 1 and not opinions and not open_wish:
        if WHICH.search(flat) or (
            COMPARE.search(flat) and (not signs.wish or "?" in flat) and "like" not in signs.felt
        ):
            return "compare"
        if re.search(r"\bor ¤+\W*\?", flat) and ("like" not in signs.felt or re.match(r"\W*¤+ or ", flat)):
            return "compare"
    if signs.shown > 1 and WHICH.match(flat.strip()) and not signs.items and not signs.checkable:
        return "compare"
    if not signs.items or opinions or open_wish or not all(a in ("about", "like", "disliked") for a in signs.felt):
        return None
    if "like" in signs.felt and "?" not in flat:
        return None
    about = ABOUT.search(flat)
    polite = re.match(
        r"[^\w¤]*(?:is|was|are|were|does|do|did|has|have|should|would|can|could|will|who|what|when|where|how)\b", flat
    )
    if re.search(r"\b(?:tell me|more (?:about|on|info)|what about|how about|know about|describe)\b", flat):
        return "ask"
    return "ask" if about and ("?" in flat or polite) and "like" not in signs.felt else None
