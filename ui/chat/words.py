"""Words: evidence, constraints and probabilities as short plain sentences (text, not HTML)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from agent.generation.phrases import percent as percent
from agent.records.answer import Evidence
from agent.records.constraints import Constraints

NameOf = Callable[[str], str]
"""Item id -> what the item is called, with its year."""


def stars(value: float) -> str:
    """``4.0`` -> "4 stars", ``3.5`` -> "3.5 stars", ``1`` -> "1 star"."""
    return "1 star" if value == 1 else f"{value:g} stars"


def either(names: Sequence[str], word: str = "or") -> str:
    """``["a", "b", "c"]`` -> "a, b or c"."""
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def sentence(evidence: Evidence, name_of: NameOf) -> str:
    """One fact as a sentence; the kinds are those of :class:`agent.records.answer.Evidence`."""
    value = evidence.value
    film = name_of(evidence.item_id) if evidence.item_id is not None else ""
    match evidence.kind:
        case "history":
            if isinstance(value, (int, float)):
                return f"In your history: {film}, {stars(float(value))}."
            return f"In your history: {film}."
        case "like":
            return f"You named {film} as an example."
        case "genre":
            return f"Its genre is what you asked for: {value}."
        case "year":
            return f"Its year is what you asked for: {value}."
        case "rating":
            return f"Viewers give it {float(value or 0):.1f} of 5 stars on average."
        case "viewers":
            return f"{int(float(value or 0)):,} people in the data rated it."
        case "popularity":
            return "It is widely seen."
        case "match":
            return "The language model finds that it fits your wording."
        case kind:
            return f"{kind}: {value}" if value is not None else kind


def effect(weight: float) -> str:
    """What leaving the fact out does to the choice; ``weight`` is a change of log-probability."""
    if not math.isfinite(weight) or abs(weight) < 0.005:
        return ""
    factor = math.exp(min(abs(weight), 6.9))
    amount = f"{factor:.0f}×" if factor >= 10 else f"{factor:.1f}×" if factor >= 1.1 else f"{factor:.2f}×"
    return f"{amount} {'likelier' if weight > 0 else 'less likely'}"


def constraint_chips(constraints: Constraints, name_of_index: Callable[[int], str]) -> list[tuple[str, str]]:
    """The standing conditions as (name for :func:`agent.dialogue.dialogue_state.forget`, text), in a fixed order."""

    def preferred(*names: str) -> str:
        return " (preferred)" if any(name in constraints.soft for name in names) else ""

    chips = [(f"genres:{'|'.join(sorted(g))}", either(sorted(g)) + preferred(*g)) for g in constraints.genres]
    chips += [(f"without_genres:{g}", f"no {g}{preferred(g)}") for g in sorted(constraints.without_genres)]
    if constraints.year_min is not None:
        chips.append(("year_min", f"{constraints.year_min} or later{preferred('year_min')}"))
    if constraints.year_max is not None:
        chips.append(("year_max", f"{constraints.year_max} or earlier{preferred('year_max')}"))
    chips += [(f"without_years:{a}-{b}", f"not from {a} to {b}") for a, b in constraints.without_years]
    if constraints.rating_min is not None:
        chips.append(("rating_min", f"rated {constraints.rating_min:g} or more{preferred('rating_min')}"))
    if constraints.viewers_min is not None:
        chips.append(("viewers_min", f"rated by {constraints.viewers_min} or more"))
    if constraints.viewers_max is not None:
        chips.append(("viewers_max", f"rated by {constraints.viewers_max} or fewer"))
    chips += [(f"tags:{tag}", f"tagged “{tag}”{preferred(tag)}") for tag in constraints.tags]
    chips += [(f"without_tags:{tag}", f"not tagged “{tag}”") for tag in sorted(constraints.without_tags)]
    chips += [(f"excluded:{item}", f"not {name_of_index(item)}") for item in sorted(constraints.excluded)]
    chips += [(f"unchecked:{wish}", f"can't check: “{wish}”") for wish in constraints.unchecked]
    return chips
