"""Description: what a conversation stands at, as plain text for a person to check."""

from __future__ import annotations

from agent.catalogue.catalogue import Catalogue
from agent.records.constraints import Constraints
from agent.records.conversation import Attitude, Conversation

_HEADS: dict[Attitude, str] = {
    "liked": "Liked",
    "disliked": "Disliked",
    "rated": "Rated",
    "seen": "Seen",
    "more": "More like",
    "less": "Less like",
}


def describe(conversation: Conversation, catalogue: Catalogue) -> str:
    """All that is believed and asked for, one fact a line; "Nothing is known yet." for an empty conversation.

    Conditions that are only preferred are marked "(preferred)"; films go by title and year.
    """

    def name(item_id: str) -> str:
        return catalogue[catalogue.index(item_id)].name if item_id in catalogue else item_id

    lines = []
    for attitude, head in _HEADS.items():
        held = [belief for belief in conversation.beliefs if belief.attitude == attitude]
        films = [name(b.item_id) + (f" ({b.rating:g} stars)" if b.rating is not None else "") for b in held]
        lines += [f"{head}: {', '.join(films)}"] if films else []
    lines += [text for _, text in condition_lines(conversation.constraints, catalogue)]
    if conversation.request:
        lines.append(f"In words: {conversation.request}")
    slate = conversation.slate
    if slate is not None:
        lines.append(f"Shown: {', '.join(name(item.item_id) for item in slate.items)}")
    if conversation.spoken:
        lines.append(f"Spoken of: {', '.join(map(name, conversation.spoken))}")
    return "\n".join(lines) or "Nothing is known yet."


def condition_lines(constraints: Constraints, catalogue: Catalogue) -> list[tuple[str, str]]:
    """The standing conditions as (field, line), in a fixed order, one for each that can be taken back by itself."""

    def soft(*names: str) -> str:
        return " (preferred)" if any(name in constraints.soft for name in names) else ""

    lines = [("genres", f"Genre: {' or '.join(sorted(group))}{soft(*group)}") for group in constraints.genres]
    lines += [("without_genres", f"Genre: not {genre}{soft(genre)}") for genre in sorted(constraints.without_genres)]
    if constraints.year_min is not None:
        lines.append(("year_min", f"Year: {constraints.year_min} or later{soft('year_min')}"))
    if constraints.year_max is not None:
        lines.append(("year_max", f"Year: {constraints.year_max} or earlier{soft('year_max')}"))
    lines += [("without_years", f"Year: not {first} to {last}") for first, last in constraints.without_years]
    if constraints.rating_min is not None:
        lines.append(("rating_min", f"Mean rating: {constraints.rating_min:g} stars or more{soft('rating_min')}"))
    if constraints.viewers_min is not None:
        lines.append(("viewers_min", f"Ratings: {constraints.viewers_min} or more"))
    if constraints.viewers_max is not None:
        lines.append(("viewers_max", f"Ratings: {constraints.viewers_max} or fewer"))
    lines += [("tags", f"Tag: {tag}{soft(tag)}") for tag in constraints.tags]
    lines += [("without_tags", f"Tag: not {tag}") for tag in sorted(constraints.without_tags)]
    if constraints.excluded:
        names = ", ".join(catalogue[item].name for item in sorted(constraints.excluded))
        lines.append(("excluded", f"Not: {names}"))
    lines += [("unchecked", f"Cannot be checked: {wish}") for wish in constraints.unchecked]
    return lines
