"""Studio preview: what a template makes of a sample viewer, and which films the policy then picks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

import prompts
from agent.dialogue.slate import shortlist
from agent.policy.state_prompt import StatePrompt
from agent.recommender import Recommender
from prompts import IsolatedTemplate, PromptError, Template
from ui.studio.samples import Sample

PICKS = 5
_KEPT = 32


@dataclass(frozen=True, slots=True)
class Pick:
    """One film with the policy's probability over its candidates, as the chat shows it."""

    name: str
    probability: float


@dataclass(frozen=True, slots=True)
class Preview:
    """The text that the model reads, its length in tokens and the most that fit (None: not counted), and the picks."""

    template: str
    text: str
    tokens: int | None
    picks: tuple[Pick, ...]
    window: int | None = None


def checked(source: str) -> Template:
    """A draft that has passed the check, ready to render in the isolated process.

    Raises:
        PromptError: the first thing that is wrong, with its line.
    """
    prompts.check_isolated(source)
    return IsolatedTemplate.of(prompts.parse(source, "<draft>"))


def example_preview(template: Template) -> Preview:
    """What a template makes of each of its own examples.

    Raises:
        PromptError: it has none, or fails on one.
    """
    if not template.header.examples:
        raise PromptError("has no example: add one under `examples` to see what it writes", template.file)
    parts = []
    for example in template.header.examples:
        messages = template.render(**example.inputs).messages
        parts.append("\n".join((f"[{example.name}]", *(message["content"] for message in messages))))
    return Preview(f"{template.name}@{template.version}", "\n\n".join(parts), None, ())


class Previewer:
    """Previews with the policy that serves now; one forward pass at a time, the latest results are kept."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender
        self._known: OrderedDict[tuple[str, str, str, str], Preview] = OrderedDict()
        self._lock = threading.Lock()

    def state_preview(self, template: Template, sample: Sample, wish: str) -> Preview:
        """The prompt for a sample viewer, and the five films that the policy picks from it.

        Raises:
            PromptError: the template fails on this viewer.
        """
        policy, catalogue = self.recommender.policy, self.recommender.catalogue
        key = (policy.version, template.hash, sample.name, wish)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
            if policy.prompt is None:
                raise PromptError("this policy has no language model: nothing reads the template", template.file)
            own = policy.with_template(template)
            assert own.prompt is not None
            own.prompt = StatePrompt(template, own.prompt.tokenizer, sample.items(catalogue), own.prompt.max_history)
            state = sample.state(wish, catalogue)
            (ids,) = own.prompt.encode([state])
            allowed = np.flatnonzero(catalogue.mask(state.constraints, left_out=state.seen))
            ranking = shortlist(own.rank(state, allowed))
            order = np.argsort(-ranking.logits, kind="stable")[:PICKS]
            picks = tuple(
                Pick(catalogue[int(ranking.candidates[place])].name, float(ranking.probabilities[place]))
                for place in order
            )
            text = own.prompt.tokenizer.decode(ids)
            preview = Preview(f"{template.name}@{template.version}", text, len(ids), picks, own.prompt.window)
            self._known[key] = preview
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
            return preview
