"""Rows for the language adapter: checked facts with other words for them, and messages with what they mean.

Both are made from the catalogue and the phrase books, with a seed; nobody's conversations are in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

import prompts
from agent.catalogue.catalogue import Catalogue, Item
from agent.generation.fidelity import changes, retellable
from training.language.rewording import answer_pair, card_pair, found_pair, vocabulary
from training.requests.phrases import PhraseBank
from training.requests.wording import Dice, typed
from training.requests.writer import Style, write_request

Job = Literal["wording", "parsing"]
ORDINALS = ("first", "second", "third", "fourth", "last", "next")
_FOLDER = Path(__file__).parent.parent / "requests" / "phrasebook"
_WISH = re.compile(r"\[([^\]]*)\]")
_LEAD = re.compile(r"^(?:an?|the|some|something|anything|lots of) ")


@dataclass(frozen=True, slots=True)
class LanguageRow:
    """One row: what the adapter reads (chat messages of the job's template), and what it is to write."""

    job: Job
    messages: list[dict[str, str]]
    answer: str


@dataclass(frozen=True, slots=True)
class LanguagePlan:
    """How many rows are made, and how the two jobs share them; ``typo`` is the chance of a slip in a message."""

    rows: int = 6000
    wording_share: float = 0.62
    typo: float = 0.25
    seed: int = 0


def build_language_rows(catalogue: Catalogue, plan: LanguagePlan) -> list[LanguageRow]:
    """Rows of both jobs in random order; the same plan and catalogue give the same rows."""
    rng = np.random.default_rng(plan.seed)
    bank = PhraseBank.load("train")
    dice = Dice(rng)
    known = [item for item in catalogue.items if item.categories and catalogue.rating_count[item.index] > 1]
    rows = []
    for _ in range(plan.rows):
        if dice.chance(plan.wording_share):
            rows.append(wording_row(known, catalogue, dice))
        else:
            rows.append(parsing_row(known, bank, dice, rng, plan.typo))
    return rows


def wording_row(items: Sequence[Item], catalogue: Catalogue, dice: Dice) -> LanguageRow:
    """Facts in the product's own words, and the same facts in others, which pass the check that will judge the LM."""
    make = dice.weighted((card_pair, found_pair, answer_pair), (0.45, 0.35, 0.2))
    plain, other = make(items, catalogue, dice)
    while not retellable(plain) or changes(other, plain, vocabulary()):
        plain, other = make(items, catalogue, dice)
    return LanguageRow("wording", prompts.load("wording").render(facts=plain).messages, other)


def parsing_row(
    items: Sequence[Item], bank: PhraseBank, dice: Dice, rng: np.random.Generator, typo: float
) -> LanguageRow:
    """A message, and the JSON of :data:`agent.generation.lm_parser.Reading`: what is wanted and what is not."""
    kind = dice.weighted(("intent", "mood", "bare", "request"), (0.42, 0.2, 0.15, 0.23))
    if kind == "intent":
        message, reading = _of_intent(items, bank, dice)
    elif kind == "mood":
        message, reading = _of_mood(bank, dice)
    elif kind == "bare":
        message, reading = _of_bare_wish(bank, dice)
    else:
        message, reading = _of_request(items, bank, dice, rng)
    message = _mistyped(message, reading["wishes"], dice, typo)
    rendered = prompts.load("request-parsing").render(message=message)
    return LanguageRow("parsing", rendered.messages, json.dumps(reading, ensure_ascii=False))


def reading_of(
    intent: str, wishes: Sequence[str] = (), genres: Sequence[str] = (), avoid: Sequence[str] = ()
) -> dict[str, Any]:
    """The answer of a parsing row, in the order of its keys."""
    return {"intent": intent, "wishes": list(wishes), "genres": list(genres), "avoid": list(avoid)}


def _of_intent(items: Sequence[Item], bank: PhraseBank, dice: Dice) -> tuple[str, dict[str, Any]]:
    book = _intents()
    intent = dice.one([name for name in book if name != "moods"])
    first, second = dice.one(items).title, dice.one(items).title
    kind = dice.one([noun for plain in bank.plain.values() for noun in plain.noun])
    text = dice.one(book[intent])
    text = text.replace("{t}", first).replace("{u}", second).replace("{n}", dice.one(ORDINALS)).replace("{g}", kind)
    return _around(text, bank, dice), reading_of(intent)


def _of_mood(bank: PhraseBank, dice: Dice) -> tuple[str, dict[str, Any]]:
    text, _, genres = dice.one(_intents()["moods"]).rpartition("=")
    wishes = _WISH.findall(text)
    message = _around(_WISH.sub(r"\1", text).strip(), bank, dice)
    return message, reading_of("recommend", wishes, [genre.strip() for genre in genres.split(",") if genre.strip()])


def _of_bare_wish(bank: PhraseBank, dice: Dice) -> tuple[str, dict[str, Any]]:
    """A wish without a sentence around it: "dinosaurs!"."""
    genre = dice.one(sorted(bank.soft))
    _, text = dice.one(bank.soft[genre])
    wish = _LEAD.sub("", text)
    return text + dice.weighted(("", "!", " please", "?", ", maybe"), (0.6, 0.12, 0.1, 0.1, 0.08)), reading_of(
        "recommend", [wish], [genre]
    )


def _of_request(
    items: Sequence[Item], bank: PhraseBank, dice: Dice, rng: np.random.Generator
) -> tuple[str, dict[str, Any]]:
    styles: tuple[Style, ...] = ("soft", "mixed", "hard")
    style = dice.weighted(styles, (0.75, 0.2, 0.05))
    request = write_request(dice.one(items), rng, bank, style, like=False, typo=0.0)
    soft = {text for genre in bank.soft.values() for _, text in genre}
    wishes = [_LEAD.sub("", words) for words in request.words if words in soft]
    wishes = [words for words in wishes if words.lower() in request.text.lower()]
    return request.text, reading_of("recommend", list(dict.fromkeys(wishes)), request.genres, request.without)


def _around(text: str, bank: PhraseBank, dice: Dice) -> str:
    if dice.chance(0.12):
        text = f"{dice.one(bank.openings)}, {text}"
    return text


def _mistyped(message: str, wishes: list[str], dice: Dice, typo: float) -> str:
    """The message with a slip; a wish that it hits is left as it was, because wishes are copied letter for letter."""
    slipped = typed(message, dice, typo)
    if all(wish in slipped for wish in wishes):
        return slipped
    wishes[:] = [wish.lower() if wish.lower() in message.lower() else wish for wish in wishes]
    return message.lower()


@cache
def _intents() -> dict[str, list[str]]:
    book: dict[str, list[str]] = yaml.safe_load((_FOLDER / "intents.yaml").read_text(encoding="utf-8"))
    return book
