"""Voice: what the chat says, in the words of the templates of roles reply and explanation.

A sentence of an edited template that fails, or states something that the facts do not bear out, is replaced by the
product's own wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import prompts
from agent.domains.films.lexicon import genre_patterns
from agent.generation.phrases import NUMBERS, is_open, number, wish_in_words
from agent.text import flat
from prompts import PromptError, Template
from prompts.escaping import neutralise

if TYPE_CHECKING:
    from agent.catalogue.catalogue import Catalogue
    from agent.records.constraints import Constraints
    from agent.records.state import State
    from agent.store.template_serving import ServedTemplates


def say(template: Template, facts: Mapping[str, Any]) -> str:
    """One paragraph: the template filled with those of the facts that it declares.

    Raises:
        PromptError: the template fails.
    """
    given = {name: value for name, value in facts.items() if name in template.header.inputs}
    return " ".join(template.render(**given).messages[-1]["content"].split())


Facts = dict[str, Any]
"""What one sentence or two may state, as the inputs of a template of role reply; ``kind`` says what is said."""


class Voice:
    """The words of one conversation: of the templates that serve it, else of the product's own.

    ``turn`` counts from 0: openings change with it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        served: ServedTemplates | None = None,
        conversation_id: str = "",
        turn: int = 0,
    ) -> None:
        self.catalogue = catalogue
        self.turn = turn
        self._served = served
        self._conversation_id = conversation_id

    @cached_property
    def explanation(self) -> Template | None:
        """The edited template for reasons, if one serves."""
        return self._edited("explanation")

    @cached_property
    def reply(self) -> Template | None:
        """The edited template for replies, if one serves."""
        return self._edited("reply")

    def _edited(self, role: str) -> Template | None:
        return None if self._served is None else self._served.template(role, self._conversation_id)

    def found(self, asked: int, found: int, state: State, examples: Sequence[str]) -> str:
        """What was found of ``asked`` films, under which conditions, and which wish could not be checked."""
        wanted = state.constraints
        return self.tell(
            kind="found",
            variant=self.turn,
            asked=asked,
            found=found,
            number=number(found),
            wish=wish_in_words(wanted, found if found else 2),
            examples=list(examples),
            specific=bool(replace(wanted, excluded=frozenset()) or examples),
            words=bool(state.request) and not is_open(state.request),
            taste=bool(state.history),
            unchecked=list(wanted.unchecked),
        )

    def relaxed(self, found: int, wanted: Constraints, relaxed: Constraints) -> str:
        """Says that nothing meets ``wanted``, and what the ``found`` films meet instead."""
        return self.tell(
            kind="relaxed",
            found=found,
            number=number(found),
            wish=wish_in_words(wanted, 2),
            closest=wish_in_words(relaxed, found),
            unchecked=list(wanted.unchecked),
        )

    def which(self, text: str, options: Sequence[str]) -> str:
        """Asks which of several films of one name is meant."""
        return self.tell(kind="which", title=text, options=list(options))

    def taken(self, text: str, name: str) -> str:
        """Says which of several films of one name was taken, where nobody can be asked."""
        return self.tell(kind="taken", title=text, options=[name])

    def small_talk(self, kind: str) -> str:
        """An answer to greeting, thanks, reset, chat or off_topic; to a hello it says what can be asked for here."""
        known = self.catalogue
        return self.tell(
            kind=kind, count=f"{len(known):,}", oldest=known.oldest_year or 0, newest=known.newest_year or 0
        )

    def all_of(self, sentences: Sequence[Facts]) -> str:
        """One paragraph of several sentences, each worded and checked by itself."""
        return " ".join(self.tell(**facts) for facts in sentences)

    def tell(self, **facts: Any) -> str:
        """A sentence or two that state ``facts``."""
        edited = self._edited("reply")
        if edited is not None:
            try:
                text = say(edited, facts)
            except PromptError:
                text = ""
            if text and not reply_flaws(text, facts, self.catalogue):
                return text
        return say(prompts.load("reply"), facts)


def reply_flaws(text: str, facts: Facts, catalogue: Catalogue) -> list[str]:
    """Every statement of a reply that its facts do not bear out; empty when it may be said.

    Checked are quoted titles (“…”), numbers in digits and in words, kinds of films, and capitalised words inside a
    sentence: each must stand in one of the facts.
    """
    names = NAMES - {"options"} if facts.get("kind") == "question" else NAMES
    titles = [neutralise(words) for key in names for words in _texts(facts.get(key, ""))]
    plain = [
        neutralise(words) for key, value in facts.items() if key not in {"kind", *names} for words in _texts(value)
    ]
    given, told = [*titles, *plain], "\n".join(plain)
    quotes = set(re.findall(r"“([^”]*)”", text))
    found = [f"title “{quote}”" for quote in sorted(quotes) if quote not in given and f"“{quote}”" not in told]
    rest = text
    for words in sorted(set(titles), key=len, reverse=True):
        rest = rest.replace(f"“{words}”", "“”") if len(words) < 4 else rest.replace(words, "“”")
    rest = re.sub(r"“[^”]*”", "“”", rest)
    digits = r"\d+(?:[.,]\d+)*"
    known = set(re.findall(digits, told))
    found += [f"number {number}" for number in re.findall(digits, rest) if number not in known]
    stated, asked = flat(rest), flat(told)
    spelled, allowed = set(re.findall(r"[a-z]+", stated)), set(re.findall(r"[a-z]+", asked))
    # "one" is also a pronoun, "no" a refusal.
    found += [f"number {word}" for word in NUMBERS[2:] if word in spelled - allowed]
    for pattern, genres, _ in genre_patterns(catalogue.category_names):
        if pattern.search(stated) and not pattern.search(asked):
            found.append(f"genre {', '.join(sorted(genres))}")
    for match in re.finditer(r"(?<=[\w,;:“”] )[A-Z]\w+", rest):
        if match.group().lower() not in allowed | OWN_NAMES:
            found.append(f"name {match.group()}")
    return found


NAMES = frozenset({"title", "other", "options", "examples", "because", "films", "unchecked", "said"})
"""Facts that are titles, or a person's own words: they may be repeated, and prove nothing else."""

OWN_NAMES = frozenset({"concierge", "english"})
"""Names that any sentence may hold."""


def _texts(value: Any) -> Iterator[str]:
    """Every text and number in a fact, as text."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif type(value) in (str, int) and str(value):
        yield str(value)
