"""Session: which person and which conversation a browser tab shows, and the desk that fetches and keeps it.

The tab sends its :class:`Session` with every request; nothing about a person is held in this process between two
requests. A tab proves that a conversation is its own with the owner token, which only that browser knows.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agent.records.conversation import Conversation
from agent.store.feedback import FeedbackLog
from agent.store.profiles import ProfileStore

_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Session:
    """``owner`` is a random 128-bit token in hex; ``conversation`` the id of the chat that the tab shows."""

    owner: str
    conversation: str

    @classmethod
    def new(cls, owner: str | None = None) -> Session:
        """A fresh conversation, for a known owner or a new one."""
        return cls(owner or secrets.token_hex(16), uuid.uuid4().hex)

    @classmethod
    def read(cls, data: Any) -> Session:
        """From what the browser sent; anything malformed is replaced by something fresh."""
        if not isinstance(data, dict) or not _TOKEN.fullmatch(str(data.get("owner"))):
            return cls.new()
        owner, conversation = str(data["owner"]), str(data.get("conversation"))
        if not _TOKEN.fullmatch(conversation):
            return cls.new(owner)
        return cls(owner, conversation)

    def write(self) -> dict[str, Any]:
        """Plain data for the browser."""
        return {"owner": self.owner, "conversation": self.conversation}

    @property
    def owner_key(self) -> str:
        """What the store knows the owner by: a hash, so that a copy of the database opens no conversation."""
        return hashlib.sha256(self.owner.encode()).hexdigest()


class Desk:
    """Fetches and keeps conversations; each request works on its own copy, one request a conversation at a time."""

    def __init__(self, log: FeedbackLog) -> None:
        self.log = log
        self.profiles = ProfileStore(log.engine)
        # A fixed set of locks shared by hash: enough to keep two tabs from overwriting each other, and it never grows.
        self._locks = tuple(threading.Lock() for _ in range(64))

    @contextmanager
    def turn(self, session: Session) -> Iterator[Conversation]:
        """The session's conversation, locked and ready to be changed.

        It is on disk when the block has ended; after an exception the document is what it was before.
        """
        with self._locks[int(session.conversation[:8], 16) % len(self._locks)]:
            conversation = self.open(session)
            before = conversation.to_json() if self.known(session) else None
            try:
                yield conversation
            except BaseException:
                # The recommender keeps each of its own steps, so a turn of several may have stopped half way.
                if before is not None:
                    self.log.save_conversation(Conversation.from_json(before), session.owner_key)
                else:
                    self.log.delete_conversation(session.conversation, session.owner_key)
                raise
            self.log.save_conversation(conversation, session.owner_key)

    def known(self, session: Session) -> bool:
        """Whether the session's conversation has been kept before."""
        return self.log.load_conversation(session.conversation, session.owner_key) is not None

    def open(self, session: Session) -> Conversation:
        """The session's conversation as stored; a new one begins with what the person keeps across chats.

        Raises:
            PermissionError: the conversation is somebody else's.
        """
        found = self.log.load_conversation(session.conversation, session.owner_key)
        if found is not None:
            return found
        fresh, kept = Conversation(id=session.conversation), self.profiles.get(session.owner_key)
        if kept.keeps:
            fresh.events.extend(kept.taste)
            for row in self.log.conversations(session.owner_key)[:1]:
                before = self.log.load_conversation(row.id, session.owner_key)
                fresh.events.extend(before.brought if before is not None else ())
        return fresh

    def earlier(self, session: Session) -> list[tuple[str, str]]:
        """The owner's conversations as (id, title), newest first."""
        return [(row.id, row.title) for row in self.log.conversations(session.owner_key)]

    def delete(self, session: Session, conversation: str) -> None:
        """Forget one of the owner's conversations.

        Raises:
            PermissionError: the conversation is somebody else's.
        """
        self.log.delete_conversation(conversation, session.owner_key)
