"""Reading: what the LM's reading adds on messages that the grammar leaves unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from agent.catalogue.catalogue import Catalogue
from agent.generation.lm_parser import INTENTS, Reading, RequestReader, completed, unread
from agent.understanding.parser import Understanding, understand


class MessagesError(ValueError):
    """The file of messages cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A message, what it wants, and words that its wishes should hold."""

    message: str
    intent: str
    wishes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadingFigures:
    """Shares over all messages, by the grammar alone and with the LM's reading of what it left unread (``both``).

    ``intent``: what a message wants is right (a new wish and a refined one count alike). ``wishes``: of the messages
    with wishes, one of them is found. ``wrong`` lists (message, expected, read) where both together are wrong.
    """

    messages: int
    unread: float
    grammar_intent: float
    both_intent: float
    grammar_wishes: float
    both_wishes: float
    wrong: tuple[tuple[str, str, str], ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def read_expected(path: Path) -> list[Expected]:
    """Messages from a YAML list of ``{message, intent, wishes}``.

    Raises:
        MessagesError: the file cannot be read, is empty, or an entry is wrong (with its number).
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = [_expected(entry, number) for number, entry in enumerate(entries, 1)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise MessagesError(f"{path} is no list of messages: {error}") from error
    if not found:
        raise MessagesError(f"{path} holds no message: write `- {{message: ..., intent: ...}}` lines")
    return found


def _expected(entry: Mapping[str, Any], number: int) -> Expected:
    if not isinstance(entry, dict) or not {"message", "intent"} <= set(entry) <= {"message", "intent", "wishes"}:
        raise MessagesError(f"entry {number} needs message and intent, and may have wishes: {entry!r:.80}")
    if entry["intent"] not in INTENTS:
        raise MessagesError(f"entry {number}: unknown intent {entry['intent']!r}: use one of {', '.join(INTENTS)}")
    return Expected(str(entry["message"]), entry["intent"], tuple(map(str, entry.get("wishes", ()))))


def reading_figures(expected: Sequence[Expected], catalogue: Catalogue, reader: RequestReader) -> ReadingFigures:
    """Read every message with the grammar alone and with the LM behind it, each as the first of a conversation."""
    told = [understand(one.message, catalogue) for one in expected]
    left = [place for place, one in enumerate(told) if unread(one)]
    readings: list[Reading | None] = []
    for first in range(0, len(left), 10):
        readings += reader.read_many([expected[place].message for place in left[first : first + 10]])
    both = list(told)
    for place, reading in zip(left, readings, strict=True):
        if reading is not None:
            both[place] = completed(told[place], reading, refines=False)
    wishing = [place for place, one in enumerate(expected) if one.wishes]

    def intents(results: Sequence[Understanding]) -> float:
        return sum(_same(one.intent, got.intent) for one, got in zip(expected, results, strict=True)) / len(expected)

    def wishes(results: Sequence[Understanding]) -> float:
        found = sum(_found(expected[place], results[place]) for place in wishing)
        return found / max(len(wishing), 1)

    return ReadingFigures(
        len(expected),
        round(len(left) / len(expected), 4),
        round(intents(told), 4),
        round(intents(both), 4),
        round(wishes(told), 4),
        round(wishes(both), 4),
        tuple(
            (one.message, one.intent, got.intent)
            for one, got in zip(expected, both, strict=True)
            if not _same(one.intent, got.intent)
        ),
    )


def _same(wanted: str, got: str) -> bool:
    return wanted == ("recommend" if got == "refine" else got)


def _found(one: Expected, got: Understanding) -> bool:
    said = " | ".join(got.constraints.unchecked).lower()
    return any(wish.lower() in said for wish in one.wishes)
