"""Profiles: what a person keeps across chats, for as long as they want."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, delete, select

from agent.records.conversation import Pressed
from agent.store.database import profile_table, upsert, writing


@dataclass(frozen=True, slots=True)
class Profile:
    """``keeps`` says that taste is taken over from chat to chat.

    ``taste`` are presses (liked, disliked, seen or rated) that a new chat begins with; ``saved`` are ids of items for
    later.
    """

    keeps: bool = False
    taste: tuple[Pressed, ...] = ()
    saved: tuple[str, ...] = ()

    def with_taste(self, items: Iterable[str], presses: Iterable[Pressed]) -> Profile:
        """The profile in which ``presses`` stand in the place of what was kept of ``items``."""
        gone = set(items)
        return replace(self, taste=(*(own for own in self.taste if own.item_id not in gone), *presses))

    def with_saved(self, item_id: str, kept: bool) -> Profile:
        """The profile with the item on the list for later (``kept``) or not."""
        return self if (item_id in self.saved) == kept else self.toggled(item_id)

    def toggled(self, item_id: str) -> Profile:
        """The profile with the item saved for later, or no longer."""
        rest = tuple(own for own in self.saved if own != item_id)
        return replace(self, saved=rest if item_id in self.saved else (*rest, item_id))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        taste = [{"item_id": own.item_id, "kind": own.kind, "value": own.value} for own in self.taste]
        return {"keeps": self.keeps, "taste": taste, "saved": list(self.saved)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Profile:
        """The inverse of :meth:`to_json`."""
        return cls(data["keeps"], tuple(Pressed(**own) for own in data["taste"]), tuple(data["saved"]))


class ProfileStore:
    """The profiles in a feedback log's database, by owner (see :class:`agent.store.feedback.FeedbackLog`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, owner: str) -> Profile:
        """The owner's profile; an empty one where nothing is kept."""
        with self._engine.connect() as connection:
            return _read(connection, owner)

    def change(self, owner: str, how: Callable[[Profile], Profile]) -> Profile:
        """Change the owner's profile in one transaction; an empty one leaves nothing behind."""
        with writing(self._engine) as connection:
            old = _read(connection, owner)
            new = how(old)
            if new == Profile():
                connection.execute(delete(profile_table).where(profile_table.c.owner == owner))
            elif new != old:
                values = {"document": new.to_json(), "updated": time.time()}
                upsert(connection, profile_table, {"owner": owner}, values)
        return new


def _read(connection: Connection, owner: str) -> Profile:
    row = connection.execute(select(profile_table).filter_by(owner=owner)).one_or_none()
    return Profile() if row is None else Profile.from_json(row.document)
