"""Voice: what the chat says, in the words of the templates of roles reply and explanation.

A sentence of an edited template that fails, or states something that the facts do not bear out, is replaced by the
product's own wording.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import prompts
from agent.lexicon import genre_patterns
from agent.text import flat
from agent.wording import NUMBERS, number, wish_in_words
from prompts import PromptError, Template
from prompts.escaping import neutralise

if TYPE_CHECKING:
    from agent.catalogue import Catalogue
    from agent.state import State
    from agent.template_serving import ServedTemplates


def say(template: Template, facts: dict[str, Any]) -> str:
    """One paragraph: the template filled with those of the facts that it declares.

    Raises:
        PromptError: the template fails.
    """
    given = {name: value for name, value in facts.items() if name in template.header.inputs}
    return " ".join(template.render(**given).messages[-1]["content"].split())


class Voice:
    """The words of one conversation: of the templates that serve it, else of the product's own."""

    def __init__(self, catalogue: Catalogue, served: ServedTemplates | None = None, conversation_id: str = "") -> None:
        self.catalogue = catalogue
        self._served = served
        self._conversation_id = conversation_id

    @cached_property
    def explanation(self) -> Template | None:
        """The edited template for reasons, if one serves."""
        return self._edited("explanation")

    def _edited(self, role: str) -> Template | None:
        return None if self._served is None else self._served.template(role, self._conversation_id)

    def found(self, asked: int, found: int, state: State, examples: Sequence[str]) -> str:
        """What was found of ``asked`` films, under which conditions, and which wish could not be checked."""
        wanted = state.constraints
        return self._say(
            kind="found",
            asked=asked,
            found=found,
            number=number(found),
            wish=wish_in_words(wanted, found if found else 2),
            examples=list(examples),
            specific=bool(replace(wanted, excluded=frozenset()) or examples),
            words=bool(state.request),
            taste=bool(state.history),
            unchecked=list(wanted.unchecked),
        )

    def which(self, text: str, options: Sequence[str]) -> str:
        """Asks which of several films of one name is meant."""
        return self._say(kind="which", title=text, options=list(options))

    def taken(self, text: str, name: str) -> str:
        """Says which of several films of one name was taken, where nobody can be asked."""
        return self._say(kind="taken", title=text, options=[name])

    def small_talk(self, kind: str) -> str:
        """An answer to greeting, thanks or reset; to a hello it says what can be asked for here."""
        known = self.catalogue
        return self._say(
            kind=kind, count=f"{len(known):,}", oldest=known.oldest_year or 0, newest=known.newest_year or 0
        )

    def _say(self, **facts: Any) -> str:
        edited = self._edited("reply")
        if edited is not None:
            try:
                text = say(edited, facts)
            except PromptError:
                text = ""
            if text and not reply_flaws(text, facts, self.catalogue):
                return text
        return say(prompts.load("reply"), facts)


def reply_flaws(text: str, facts: dict[str, Any], catalogue: Catalogue) -> list[str]:
    """Every statement of a reply that its facts do not bear out: quoted titles, numbers, and kinds of films."""
    named = [*facts.get("examples", ()), *facts.get("unchecked", ()), *facts.get("options", ())]
    named = [neutralise(name) for name in [*named, facts.get("title", "")] if name]
    wish = neutralise(str(facts.get("wish", "")))
    quotes = set(re.findall(r"“([^”]*)”", text))
    found = [f"title “{quote}”" for quote in sorted(quotes - set(named))]
    rest = text
    for name in sorted(named, key=len, reverse=True):
        rest = rest.replace(name, "")
    known = set(re.findall(r"\d+", wish)) | {str(value) for value in facts.values() if type(value) is int}
    known |= {str(facts.get("count", ""))}
    found += [f"number {digits}" for digits in re.findall(r"\d+(?:[.,]\d+)*", rest) if digits not in known]
    words = set(re.findall(r"[a-z]+", rest.lower()))
    # "one" is also a pronoun, "no" a refusal.
    found += [f"number {word}" for word in NUMBERS[2:] if word in words and word != facts.get("number")]
    stated, asked = flat(rest), flat(wish)
    for pattern, genres, _ in genre_patterns(catalogue.genre_names):
        if pattern.search(stated) and not pattern.search(asked):
            found.append(f"genre {', '.join(sorted(genres))}")
    return found
