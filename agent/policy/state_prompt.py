"""State prompt: a user state rendered through the state template and encoded for the LM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent.policy.item_embeddings import ItemLike, item_token
from prompts.header import ROLES

if TYPE_CHECKING:
    from agent.records.state import State
    from prompts import Template


MAX_TOKENS = 1024
"""Longest prompt: a template that writes much (titles, say) must not make a turn slow, whatever the model can read."""


def state_inputs(state: State, items: Sequence[ItemLike], max_history: int = 15) -> dict[str, Any]:
    """A state as inputs that templates declare, plain data only; of the history the latest ``max_history`` items."""
    return {
        "history": [item_inputs(items[event.item], event.rating) for event in state.history[-max_history:]],
        "like": [item_inputs(items[index]) for index in state.like],
        "unlike": [item_inputs(items[index]) for index in state.unlike],
        "request": state.request,
        "goal": state.goal,
    }


def item_inputs(item: ItemLike, rating: float | None = None) -> dict[str, Any]:
    """An item as templates see it: plain data only."""
    return {
        "token": item_token(item.item_id),
        "title": item.title,
        "year": item.year,
        "categories": list(item.categories),
        "rating": rating,
    }


class StatePrompt:
    """Renders states. ``max_history`` is how many of the latest items the LM reads.

    A prompt that is longer than the model's window, or than ``MAX_TOKENS``, is shortened as the template declares.
    """

    def __init__(self, template: Template, tokenizer: Any, items: Sequence[ItemLike], max_history: int = 15) -> None:
        self.template = template
        self.tokenizer = tokenizer
        self.items = items
        self.max_history = max_history
        self.window = min(MAX_TOKENS, int(tokenizer.model_max_length))
        self.given = ROLES[template.header.role]

    def inputs(self, state: State) -> dict[str, Any]:
        """The state as the template's declared inputs: plain data only."""
        return state_inputs(state, self.items, self.max_history)

    def text(self, state: State) -> str:
        """What the LM reads, with the chat template's own marks."""
        given = self.inputs(state)
        return str(self.template.render(**{k: given[k] for k in self.given}).text(self.tokenizer))

    def encode(self, states: Sequence[State]) -> list[list[int]]:
        """Token ids of each state's prompt.

        Raises:
            PromptError: the template fails on a state, or does not fit the window however much is left out.
        """
        texts = [self.text(state) for state in states]
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        for row, own in enumerate(ids):
            if len(own) > self.window:
                fitted = self.template.fit(self.tokenizer, self.window, **self.inputs(states[row]))
                ids[row] = self.tokenizer(fitted.text(self.tokenizer), add_special_tokens=False)["input_ids"]
        return ids

    def with_template(self, template: Template) -> StatePrompt:
        """The same states in the words of another template."""
        return StatePrompt(template, self.tokenizer, self.items, self.max_history)
