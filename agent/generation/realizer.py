"""Surface realisation: from facts to sentences, in the words of the templates of role reply and of the domain.

A sentence of an edited template that fails, or states something that the facts do not bear out, is replaced by the
product's wording. Other languages have a file of phrases each, for the sentences that frame a slate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import prompts
from agent.explanation.reasons import Phrases, say
from agent.text import flat
from prompts import PromptError, Template
from prompts.escaping import neutralise

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.store.template_serving import ServedTemplates

Facts = dict[str, Any]
"""What one sentence or two may state, as the inputs of a template of role reply; ``kind`` says what is said."""

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

LANGUAGES = Path(__file__).parent / "languages"
"""Phrases of replies in other languages, one YAML file a language: kind of sentence -> wordings.

``{placeholders}`` are the inputs of the reply template; a kind ending in ``_one`` is for a single item."""

REASON = "reason_"
"""What the kinds of phrases of reasons begin with (:data:`agent.explanation.reasons.Phrases`)."""

NOTED = ("liked", "disliked", "seen", "refused")
"""What a sentence of kind ``noted`` may say in other languages, each by a phrase ``noted_...``."""

QUOTED = frozenset(
    [
        "title",
        "other",
        "options",
        "examples",
        "avoided",
        "because",
        "titles",
        "words",
        "said",
        "liked",
        "disliked",
        "seen",
        "unseen",
        "refused",
        "given",
    ]
)
"""Facts that are titles, or a person's words: they may be repeated, and prove nothing else."""


class Wording:
    """The words of one conversation: of the templates that serve it, else of the product's.

    ``turn`` counts from 0: wordings change with it. ``language`` is the person's (ISO 639-1).
    """

    def __init__(
        self,
        catalogue: Catalogue,
        served: ServedTemplates | None = None,
        conversation_id: str = "",
        turn: int = 0,
        language: str = "en",
    ) -> None:
        self.catalogue = catalogue
        self.turn = turn
        self.language = language
        self.told: list[tuple[str, Facts]] = []
        """The sentences so far in the product's own words, with the facts that they state."""
        self._served = served
        self._conversation_id = conversation_id

    @cached_property
    def explanation(self) -> Template | None:
        """The edited template for reasons, if one serves."""
        return self._edited("explanation")

    @cached_property
    def reasons(self) -> Phrases:
        """The phrases of reasons in the person's language; none where it is English, or has no file."""
        return {
            kind.removeprefix(REASON): own for kind, own in _phrases(self.language).items() if kind.startswith(REASON)
        }

    @cached_property
    def reply(self) -> Template | None:
        """The edited template for replies, if one serves."""
        return self._edited("reply")

    def _edited(self, role: str) -> Template | None:
        return None if self._served is None else self._served.template(role, self._conversation_id)

    def all_of(self, sentences: Sequence[Facts]) -> str:
        """One paragraph of several sentences, each worded and checked by itself, none of them twice."""
        texts = (self.tell(**facts) for facts in sentences)
        return " ".join(dict.fromkeys(text for text in texts if text))

    def tell(self, **facts: Any) -> str:
        """A sentence or two that state ``facts``."""
        domain = self.catalogue.domain
        facts = {
            "one": domain.nouns.one,
            "many": domain.nouns.many,
            "base": domain.verbs.base,
            "done": domain.verbs.done,
            "answers": domain.answers,
            "variant": self.turn,
            **facts,
        }
        foreign = in_language(self.language, facts)
        if foreign is not None:
            return foreign
        if self.reply is not None:
            try:
                text = say(self.reply, facts)
            except PromptError:
                text = ""
            if text and not reply_flaws(text, facts, self.catalogue):
                return text
        text = say(prompts.load("reply"), facts)
        self.told.append((text, facts))
        return text


def number(count: int) -> str:
    """Small numbers as words, others as digits."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def percent(share: float) -> str:
    """A share in [0, 1] as per cent."""
    return "<1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"


def in_language(language: str, facts: Mapping[str, Any]) -> str | None:
    """The sentence in another language; None where there is none for it."""
    if language == "en":
        return None
    known = _phrases(language)
    if facts["kind"] == "noted":  # what was noted, sentence by sentence
        told = [
            known[key][0].format(**{own: _joined(facts[own])})
            for own in NOTED
            if facts.get(own) and (key := f"noted_{own}") in known
        ]
        return " ".join(told) or None
    single = known.get(f"{facts['kind']}_one") if facts.get("found") == 1 else None
    wordings = single or known.get(str(facts["kind"]))
    if not wordings:
        return None
    chosen = wordings[int(facts["variant"]) % len(wordings)]
    try:
        return chosen.format(**{key: _joined(value) for key, value in facts.items()})
    except KeyError:
        return None


@cache
def _phrases(language: str) -> Mapping[str, tuple[str, ...]]:
    path = LANGUAGES / f"{language}.yaml"
    if not re.fullmatch(r"[a-z]{2}", language) or not path.is_file():
        return {}
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {kind: tuple(own) for kind, own in data.items()}


def _joined(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(f"“{own}”" for own in value)
    return str(value)


def reply_flaws(text: str, facts: Mapping[str, Any], catalogue: Catalogue) -> list[str]:
    """Every statement of a reply that its facts do not bear out; empty when it may be said.

    Checked are quotes (“…”), numbers in digits and in words, names of categories, and capitalised words inside a
    sentence: each must stand in one of the facts.
    """
    names = QUOTED - {"options"} if facts.get("kind") == "question" else QUOTED
    titles = [neutralise(words) for key in names for words in _texts(facts.get(key, ""))]
    plain = [
        neutralise(words) for key, value in facts.items() if key not in {"kind", *names} for words in _texts(value)
    ]
    given, told = [*titles, *plain], "\n".join(plain)
    quotes = set(re.findall(r"“([^”]*)”", text))
    found = [f"quote “{quote}”" for quote in sorted(quotes) if quote not in given and f"“{quote}”" not in told]
    rest = text
    for words in sorted(set(titles), key=len, reverse=True):
        rest = rest.replace(f"“{words}”", "“”") if len(words) < 4 else rest.replace(words, "“”")
    rest = re.sub(r"“[^”]*”", "“”", rest)
    digits = r"\d+(?:[.,]\d+)*"
    known = set(re.findall(digits, told))
    found += [f"number {own}" for own in re.findall(digits, rest) if own not in known]
    stated, asked = flat(rest), flat(told)
    spelled, allowed = set(re.findall(r"[a-z]+", stated)), set(re.findall(r"[a-z]+", asked))
    # "one" is also a pronoun, "no" a refusal.
    found += [f"number {word}" for word in NUMBERS[2:] if word in spelled - allowed]
    for name in catalogue.category_names:
        pattern = re.compile(rf"(?<![\w-]){re.escape(flat(name))}s?(?![\w-])")
        if pattern.search(stated) and not pattern.search(asked):
            found.append(f"category {name}")
    for match in re.finditer(r"(?<=[\w,;:“”] )[A-Z]\w+", rest):
        if match.group().lower() not in allowed | {"concierge", "english"}:
            found.append(f"name {match.group()}")
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every text and number in a fact, as text."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif type(value) in (str, int) and str(value):
        yield str(value)
