"""Request reading: what the language model finds in a message that the grammar could not read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import prompts
from agent.generation.constrained import JsonForm
from agent.generation.local import Asked
from agent.understanding.intents import Intent

if TYPE_CHECKING:
    from agent.generation.paraphrase import Writer
    from agent.understanding.parser import Understanding
    from prompts import Template

INTENTS: tuple[Intent, ...] = tuple(intent for intent in get_args(Intent) if intent not in ("refine", "other"))
"""What a reading may say a message wants; whether a wish is new or refines one, the conversation knows."""

MOST_WISHES = 3
"""At most so many wishes are read from a message."""

LONGEST_WISH = 7
"""A wish has at most so many words."""

_WORD = re.compile(r"[\w'’-]+")
_EDGES = re.compile(r"^\W+|\W+$")


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as the LM reads it: ``wishes`` are in the message's own words, ``genres`` are the catalogue's."""

    intent: Intent
    wishes: tuple[str, ...] = ()
    genres: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()


class RequestReader:
    """Reads messages with an LM that is held to a JSON schema: no intent, genre or word is made up."""

    def __init__(self, writer: Writer, genres: Sequence[str], template: Template | None = None) -> None:
        self.writer = writer
        self.genres = tuple(genres)
        self.template = template or prompts.load("request-parsing")

    def read(self, message: str) -> Reading | None:
        """The reading of a message; None where it holds no word.

        Raises:
            SpeechError: a server that reads did not answer.
        """
        return self.read_many([message])[0]

    def read_many(self, messages: Sequence[str]) -> list[Reading | None]:
        """One reading a message, made side by side."""
        chosen = [place for place, message in enumerate(messages) if _WORD.search(message)]
        limit = self.template.header.model.max_tokens or 80
        asked = [
            Asked(
                self.template.render(message=messages[place]).messages,
                JsonForm(reading_schema(messages[place], self.genres)),
                limit,
            )
            for place in chosen
        ]
        readings: list[Reading | None] = [None] * len(messages)
        for place, text in zip(chosen, self.writer.write(asked), strict=True):
            readings[place] = parse_reading(text, self.genres)
        return readings


def reading_schema(message: str, genres: Sequence[str]) -> dict[str, object]:
    """The JSON schema of a reading: each wish is a piece of the message, word for word."""
    words = list(_WORD.finditer(message))
    pieces = [
        message[first.start() : last.end()]
        for place, first in enumerate(words)
        for last in words[place : place + LONGEST_WISH]
    ]

    def some(values: Sequence[str], most: int) -> dict[str, object]:
        return {"type": "array", "items": {"enum": list(dict.fromkeys(values))}, "maxItems": most if values else 0}

    properties = {
        "intent": {"enum": list(INTENTS)},
        "wishes": some(pieces, MOST_WISHES),
        "genres": some(genres, 3),
        "avoid": some(genres, 2),
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def parse_reading(text: str, genres: Sequence[str]) -> Reading | None:
    """A reading from the LM's JSON; None where the text was cut short or is no reading."""
    try:
        data = json.loads(text)
        intent = data["intent"]
        wishes = tuple(dict.fromkeys(_EDGES.sub("", wish) for wish in data["wishes"]))
        wanted, avoid = (tuple(dict.fromkeys(g for g in data[key] if g in genres)) for key in ("genres", "avoid"))
    except (ValueError, TypeError, KeyError):
        return None
    if intent not in INTENTS:
        return None
    return Reading(intent, wishes, tuple(g for g in wanted if g not in avoid), avoid)


def unread(told: Understanding) -> bool:
    """Whether the grammar could not read a message: no intent, or a wish in which it found nothing."""
    if told.ambiguities:
        return False
    wanted = told.constraints
    found = any((told.mentions, wanted, wanted.unchecked, told.replaces, told.dropped, told.critiques))
    if told.intent == "other":
        return not found
    return told.intent in ("recommend", "refine") and bool(told.request) and not found


def completed(told: Understanding, reading: Reading, refines: bool) -> Understanding:
    """What the grammar found, with the wishes that it could not find from the LM's reading.

    Only wishes are taken from a reading: what else the LM takes an odd message for is wrong more often than not
    (`concierge eval wording --messages`), and to say that a message was not understood is better than to start over.
    An intent that the grammar knows stands; soft wishes join ``Constraints.unchecked``, where they bind nothing.
    ``refines`` says whether a wish stands that a new one would refine.
    """
    if reading.intent != "recommend":
        return told
    intent: Intent = told.intent
    if intent == "other":
        intent = "refine" if refines else "recommend"
    wishes = tuple(wish for wish in reading.wishes if wish not in told.constraints.unchecked)
    constraints = replace(told.constraints, unchecked=(*told.constraints.unchecked, *wishes))
    return replace(told, intent=intent, constraints=constraints)
