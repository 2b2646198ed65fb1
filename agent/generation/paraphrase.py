"""Retelling: the LM says checked sentences in other words; where the check objects, they stay as they are."""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import prompts
from agent.generation.constrained import RetoldForm
from agent.generation.fidelity import NUMBER, QUOTE, allowed_words, changes, retellable
from agent.generation.local import Asked
from agent.generation.openai import SpeechError
from agent.text import word_set

if TYPE_CHECKING:
    from agent.records.answer import Answer
    from prompts import Template

SERVER_WORDS = word_set(
    """
    a about above across after again all along already also always am among an and another any are around as at away
    be because been before being below between both but by came can chosen come comes could did do does each every
    few find fit fits for found from gave get give given gives go goes going good had happy has have having here how
    i in including into is it its know left let like liked list little look looks made make many match may maybe me
    might mind much my near nice now of off offer on one onto or other our out over own perhaps pick picked picks
    please pleased ready really right same say saw see selected selection should show shown similar since so some
    someone something speaks still such suggestion suggestions suit suits sure take taste tastes than that the their
    them then there these they thing think this those though through time to together too try up us very want wanted
    was way we well went were what when where which while who why will wish with would yes you your yours viewers
    viewer stars rating ratings rated films film movies movie asked requested request recommend recommendation
    recommendations watch watched enjoy enjoyed
    """
)
"""Words that a server's wording may use beside those of the facts: they state nothing about an item."""

PLAIN_INTENTS = frozenset({"greeting", "thanks", "reset", "chat", "off_topic", "undo"})
"""Answers that stay in the templates' words: they hold no facts to word."""

_NAME = re.compile(r"(?<=[a-z,;:] )[A-Z]\w+")


class Writer(Protocol):
    """What writes texts: :class:`agent.generation.local.Speech` or :class:`agent.generation.openai.RemoteSpeech`."""

    def write(self, asked: Sequence[Asked]) -> list[str]:
        """The texts."""
        ...


@dataclass(frozen=True, slots=True)
class Retold:
    """A paragraph as it is shown, what the LM wrote ("" where it was not asked), and what the check had against it."""

    text: str
    written: str = ""
    flaws: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the LM's words are shown."""
        return bool(self.written) and not self.flaws


class Retelling:
    """Words paragraphs with an LM.

    ``words`` may be used beside those of the facts. ``cards`` says whether the reasons on cards are worded too, or the
    reply alone. ``held``: the text is held to the facts while it is written (a server cannot do that).
    """

    def __init__(
        self,
        writer: Writer,
        words: Collection[str] = SERVER_WORDS,
        cards: bool = False,
        held: bool = False,
        template: Template | None = None,
    ) -> None:
        self.writer = writer
        self.words = frozenset(words)
        self.cards = cards
        self.held = held
        self.template = template or prompts.load("wording")

    def retell(self, plain: Sequence[str], seed: int = 0) -> list[Retold]:
        """Each paragraph in other words, written side by side; ``seed`` varies them.

        A paragraph that cannot be retold, whose words fail the check, or that a server did not answer, stays as it is.
        """
        chosen = [place for place, text in enumerate(plain) if text and retellable(text)]
        try:
            written = self.writer.write([self._asked(plain[place], seed + place) for place in chosen]) if chosen else []
        except SpeechError as error:
            return [Retold(text, "", (str(error),)) for text in plain]
        retold = [Retold(text) for text in plain]
        for place, text in zip(chosen, written, strict=True):
            own = plain[place]
            flaws = tuple(changes(text, own, self.words)) if text else ("nothing was written",)
            retold[place] = Retold(own if flaws else text, text or " ", flaws)
        return retold

    def _asked(self, plain: str, seed: int) -> Asked:
        settings = self.template.header.model
        return Asked(
            self.template.render(facts=plain).messages,
            facts_form(plain, self.words) if self.held else None,
            settings.max_tokens or 80,
            0.7 if settings.temperature is None else settings.temperature,
            seed,
        )

    def answer(self, answer: Answer, key: str, reply: bool = True, cards: bool = True) -> Answer:
        """An answer in other words: its reply (but not the question at its end), and its cards where that is on.

        Args:
            answer: what the templates worded.
            key: what the variation is drawn from, such as the conversation's id and turn.
            reply: whether the reply may be worded (an author's own template is left as it is).
            cards: the same for the reasons on cards.
        """
        if answer.about in PLAIN_INTENTS:
            return answer
        start = time.perf_counter()
        question = answer.question.text if answer.question else ""
        body = answer.reply.removesuffix(question).strip() if question else answer.reply
        reasons = [item.reason for item in answer.items] if cards and self.cards else []
        told = self.retell([body if reply else "", *reasons], zlib.crc32(key.encode()))
        text = f"{told[0].text} {question}".strip() if reply else answer.reply
        items = (
            tuple(replace(item, reason=own.text) for item, own in zip(answer.items, told[1:], strict=False))
            + answer.items[len(reasons) :]
        )
        seconds = time.perf_counter() - start
        return replace(
            answer,
            reply=text,
            items=items,
            latency_ms=round(answer.latency_ms + 1000 * seconds, 1),
            timings_ms={**answer.timings_ms, "wording": round(1000 * seconds, 1)},
        )


def facts_form(plain: str, words: Collection[str]) -> RetoldForm:
    """The form that holds a retelling of ``plain`` to its titles, numbers and names, and to ``words`` and its own."""
    rest = QUOTE.sub("“”", plain)
    numbers = tuple(dict.fromkeys(NUMBER.findall(rest)))
    names = tuple(dict.fromkeys(_NAME.findall(rest)))
    known = sorted(allowed_words(plain, words) - {"i"})
    return RetoldForm(tuple(dict.fromkeys(QUOTE.findall(plain))), numbers, names, (*known, "I"))
