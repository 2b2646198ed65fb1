"""Wording: how often the LM's words for checked facts pass the check, how much they vary, and how fast they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent.generation.fidelity import QUOTE
from agent.generation.paraphrase import Retelling

if TYPE_CHECKING:
    from agent.recommender import Recommender

SIDE_BY_SIDE = 5
"""So many paragraphs are written at once, as the reasons of one slate are."""

WISHES = (
    "", "a comedy", "something tense from the 90s", "a romance, no musicals", "science fiction before 1985",
    "a drama with at least 4 stars", "something for the children", "a war film or a western", "an old mystery",
)  # fmt: skip
"""What the users of a sample ask for, in turn."""


def sample_paragraphs(
    recommender: Recommender, slates: int, report: Callable[[int], None] = lambda done: None
) -> tuple[list[str], list[str]]:
    """The replies and the reasons of so many slates, for users of the data set who ask for :data:`WISHES`.

    ``report`` is called with the number of slates done.
    """
    replies, reasons = [], []
    users = recommender.users()
    for number in range(slates):
        user = users[number * len(users) // slates]
        answer = recommender.recommend(user=user, ask=WISHES[number % len(WISHES)])
        replies.append(answer.reply)
        reasons += [item.reason for item in answer.items]
        report(number + 1)
    return replies, reasons


@dataclass(frozen=True, slots=True)
class WordingFigures:
    """One row of the comparison of wordings.

    ``passed`` is the share of all paragraphs that the LM's words were shown for, ``asked`` the share that it was asked
    for; ``distinct`` the share of different sentence patterns (titles and numbers left out) among the paragraphs as
    shown; ``seconds`` the mean per paragraph, and ``tokens_per_second`` of the words written (0 for the templates).
    ``flaws`` counts what the check had against the rest, the first words of each objection.
    """

    wording: str
    paragraphs: int
    asked: float
    passed: float
    distinct: float
    seconds: float
    tokens_per_second: float
    flaws: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def wording_figures(
    paragraphs: Sequence[str],
    retelling: Retelling | None = None,
    name: str = "templates",
    tokenizer: Any = None,
    at_once: int = SIDE_BY_SIDE,
) -> WordingFigures:
    """How a way of wording does on paragraphs as the templates word them (reasons of cards, replies).

    Args:
        paragraphs: the templates' words, at least one.
        retelling: what words them otherwise, such as ``agent.generation.service.Language(...)``'s; None measures the
            templates.
        name: of the row.
        tokenizer: counts the tokens written (None: words are counted).
        at_once: so many paragraphs are written side by side (1: one after the other, as replies are).

    Raises:
        ValueError: there are no paragraphs.
    """
    if not paragraphs:
        raise ValueError("no paragraphs to word: give the reasons or replies of some answers")
    start = time.perf_counter()
    shown, passed = list(paragraphs), 0
    written: list[str] = []
    flaws: dict[str, int] = {}
    for first in range(0, len(paragraphs) if retelling is not None else 0, at_once):
        assert retelling is not None
        for place, told in enumerate(retelling.retell(paragraphs[first : first + at_once], seed=first), first):
            shown[place] = told.text
            passed += told.passed
            if told.written:
                written.append(told.written)
            for flaw in told.flaws:
                kind = QUOTE.sub("", flaw).split(":")[0].split(" ")[0]
                flaws[kind] = flaws.get(kind, 0) + 1
    seconds = time.perf_counter() - start
    count = sum(len(tokenizer(text)["input_ids"]) if tokenizer is not None else len(text.split()) for text in written)
    total = len(paragraphs)
    return WordingFigures(
        wording=name,
        paragraphs=total,
        asked=round(len(written) / total, 4),
        passed=round(passed / total, 4),
        distinct=round(len({pattern(text) for text in shown}) / total, 4),
        seconds=round(seconds / total, 4),
        tokens_per_second=round(count / seconds, 1) if written else 0.0,
        flaws=dict(sorted(flaws.items(), key=lambda pair: -pair[1])),
    )


def pattern(text: str) -> str:
    """A text without what its facts bring: titles as “”, numbers as #; so that only the words differ."""
    blank = QUOTE.sub("“”", text)
    blank = "".join("#" if letter.isdigit() else letter for letter in blank)
    while "##" in blank or "#.#" in blank or "#,#" in blank:
        blank = blank.replace("##", "#").replace("#.#", "#").replace("#,#", "#")
    return blank.replace("“”, “” and “”", "“”").replace("“” and “”", "“”")
