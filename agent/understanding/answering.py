"""Reading where items answer questions: any message is one, unless it judges an answer, commands or is polite.

For domains that say what happens where nothing fits (``hand_over`` in their domain.yaml). A problem is told in words of
its own ("I am still waiting on my card"), so it is ranked as it stands: no word of it is a condition.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from agent.catalogue.catalogue import Catalogue
from agent.domains.domain import Domain
from agent.domains.languages import ENGLISH, language
from agent.records.acts import Act, Ask, Command, Judge, NotUnderstood, Pleasantry, Verdict, Want
from agent.text import flat
from agent.understanding.cues import UNDO
from agent.understanding.reading import Context, Reading
from agent.understanding.referring import references
from agent.understanding.vocabulary import Vocabulary, known_words

VERDICT_BEGINS = 24
"""A verdict begins within so many characters: later in a message the same words tell of something else."""

QUESTION_WORDS = 4
"""What is left beside a verdict ("that did not help, my card is still not here") is a question from so many words."""

SHORT = 7
"""A question about what is shown has at most so many words; longer ones tell a case."""

_BRACKETS = re.compile(r"[<>]")
_WORD = re.compile(r"[^\W\d_]{2,}")
_POINTS = re.compile(r"\b(?:this|that|these|those|it|ones?|first|second|third|last)\b|¤")
_ALL = re.compile(r"\b(?:none|neither|any) of (?:them|these|those|the)\b|\b(?:these|those|they)\b")


def read_question(text: str, read: Reading, context: Context, catalogue: Catalogue, vocabulary: Vocabulary) -> Reading:
    """A message to a catalogue of answers; ``text`` is cleaned, ``read`` is how any other catalogue would read it.

    Greetings, thanks, commands and questions about what the agent can do or has shown stay what they are; words of
    ``verdicts`` judge the answers shown (all of them, the one referred to, or the first); all else is a question.
    """
    code = language(text)
    if code != ENGLISH:
        return Reading((NotUnderstood("language", text),), code)
    folded = vocabulary.marked(flat(text))
    judged, rest = _judged(folded, context, catalogue)
    acts: list[Act] = list(judged)
    if judged:
        if len(_WORD.findall(rest)) >= QUESTION_WORDS and len(_WORD.findall(rest)) > len(_WORD.findall(folded)) / 2:
            acts.append(_question(text))
        return Reading(tuple(acts), code)
    kept = [act for act in read.acts if _stays(act, read, folded)]
    if kept:
        return Reading(tuple(kept), code, read.mentions)
    if not known_words(folded, vocabulary):
        return Reading((NotUnderstood("nonsense", text),), code)
    return Reading((_question(text),), code)


def _question(text: str) -> Want:
    return Want(opens_topic=True, request=_BRACKETS.sub(" ", text).strip())


def _stays(act: Act, read: Reading, folded: str) -> bool:
    """Whether an act is plainly no customer's question."""
    match act:
        case Pleasantry(kind="chat"):
            return False
        case Pleasantry():
            return len(_WORD.findall(folded)) <= 4
        case Command(kind="undo"):
            return len(_WORD.findall(UNDO.sub(" ", folded))) <= 2
        case Command() | NotUnderstood(kind="nonsense"):
            return True
        case Ask(kind="agent"):
            return True
        case Ask():
            return bool(_POINTS.search(folded)) and len(_WORD.findall(folded)) <= SHORT
        case _:
            return False


def _judged(folded: str, context: Context, catalogue: Catalogue) -> tuple[list[Judge], str]:
    """Verdicts on what was shown, and the text without their words."""
    if not context.shown:
        return [], folded
    for verdict, pattern in _verdicts(catalogue.domain):
        match = pattern.search(folded)
        if match is None or match.start() > VERDICT_BEGINS:
            continue
        rest = folded[: match.start()] + " " + folded[match.end() :]
        found = references(folded, [], context.shown, (), catalogue)
        items = next((own.items for own in found if set(own.items) <= set(context.shown)), ())
        if not items:
            items = context.shown if _ALL.search(folded) else context.shown[:1]
        return [Judge(item, verdict) for item in items], rest
    return [], folded


@lru_cache(maxsize=16)
def _compiled(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b")


def _verdicts(domain: Domain) -> list[tuple[Verdict, re.Pattern[str]]]:
    # A refusal holds the words of its opposite: "did not help".
    order: tuple[Literal["disliked", "liked"], ...] = ("disliked", "liked")
    return [(name, _compiled(domain.verdicts[name])) for name in order if name in domain.verdicts]
