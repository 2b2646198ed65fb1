"""Lookup: what a request names from outside, found in the catalogue or refused with the fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from agent.catalogue.catalogue import Catalogue
from agent.records.conversation import PRESSES, Conversation, Press, Replied
from agent.records.impression import Outcome, Reaction
from agent.records.state import Event


class RequestError(ValueError):
    """A request names something that is not there or out of range; the message names the value and the fix."""


def find_item(title: str, catalogue: Catalogue) -> str:
    """The item id of a title (typing errors are fine), or of an id given as it is.

    Raises:
        RequestError: no item, or several, go by this title (the message lists them).
    """
    if title in catalogue:
        return title
    links = catalogue.link(f"“{title}”")
    if not links:
        raise RequestError(
            f"no {catalogue.domain.nouns.one} called {title!r} in {catalogue.name!r}: check the spelling"
        )
    if len(links[0].options) > 1:
        names = ", ".join(catalogue[index].name for index in links[0].options)
        raise RequestError(f"{title!r} could be {names}: add the year")
    return catalogue[links[0].options[0]].item_id


def item_index(item_id: str, catalogue: Catalogue) -> int:
    """The catalogue index of an item id.

    Raises:
        RequestError: no such item.
    """
    try:
        return catalogue.index(item_id)
    except KeyError as error:
        raise RequestError(error.args[0]) from None


def read_events(history: Iterable[Mapping[str, Any]], catalogue: Catalogue) -> list[Event]:
    """A history given from outside, ``{"item": id or title, "rating": grade or None}``, oldest first, as events.

    Raises:
        RequestError: an unknown item, or a rating that is not 0.5 to 5.
    """
    events = []
    for entry in history:
        rating = entry.get("rating")
        if rating is not None and not 0.5 <= float(rating) <= 5:
            raise RequestError(f"rating {rating} of item {entry['item']!r}: give 0.5 to 5, or leave it out")
        item = item_index(find_item(str(entry["item"]), catalogue), catalogue)
        events.append(Event(item, None if rating is None else float(rating)))
    return events


def press_of(kind: str) -> Press:
    """A kind of press, checked.

    Raises:
        RequestError: there is no such press.
    """
    if kind not in PRESSES:
        raise RequestError(f"unknown reaction {kind!r}: use one of {', '.join(PRESSES)}")
    return kind


def outcome_of(
    conversation: Conversation, item_id: str, kind: str, value: float | None, catalogue: Catalogue
) -> Outcome:
    """A reaction to an item, tied to the latest logged slate of the conversation that showed it.

    Raises:
        RequestError: no such item.
        ValueError: an unknown kind, or a grade out of range.
    """
    item_index(item_id, catalogue)
    answers = (event.answer for event in reversed(conversation.events) if isinstance(event, Replied))
    shown = next((a for a in answers if item_id in [item.item_id for item in a.items]), None)
    impression = shown.impression_id if shown else None
    return Outcome(
        conversation_id=conversation.id,
        impression_id=impression,
        item_id=item_id,
        kind=cast(Reaction, kind),  # checked by the record itself
        value=value,
        position=[item.item_id for item in shown.items].index(item_id) if shown and impression else None,
    )
