"""Chat: the tab where a person talks to the recommender; what each click and message does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from typing import Any

import gradio as gr

from agent.dialogue.state import Judgement
from agent.recommender import Recommender
from agent.records.conversation import Conversation, undone
from ui.chat.page import MESSAGE_LIMIT, ChatPage, Updates
from ui.chat.session import Desk, Session
from ui.chat.transcript import PIECE_SECONDS, STREAM_SECONDS, pending_html, pieces, transcript_html

PRESS = re.compile(r"(.+) (liked|disliked|seen|more|less|rated)(?: ([1-5]))?")
"""What a control of a card sends."""

SCROLL = """() => { setTimeout(() => {
  const mine = document.querySelectorAll('#transcript .message-row.user-row');
  if (mine.length > 1) mine[mine.length - 1].scrollIntoView({behavior: 'smooth', block: 'start'});
}, 120); }"""


@contextmanager
def explained() -> Iterator[None]:
    """Whatever goes wrong inside is shown to the person as a message, as text."""
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:
        raise gr.Error(trouble(error)) from error


def trouble(error: Exception) -> str:
    """What is shown for an error, escaped."""
    cause = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return escape(f"That did not work, and nothing was changed: {cause or type(error).__name__}")


class ChatTab:
    """The chat page inside the current Blocks, connected; holds no person's state."""

    def __init__(self, recommender: Recommender, desk: Desk, store: gr.BrowserState) -> None:
        self.recommender = recommender
        self.desk = desk
        self.page = ChatPage(recommender, desk, store)
        self._connect()

    def _connect(self) -> None:
        page = self.page
        quick: dict[str, Any] = {
            "outputs": page.components, "concurrency_limit": 16, "concurrency_id": "quick", "show_progress": "hidden",
            "api_visibility": "private",
        }  # fmt: skip
        turn = quick | {"outputs": page.turning, "concurrency_limit": 8, "concurrency_id": "turn"}
        turns = [
            page.message.submit(self.on_message, [page.message, page.store], **turn),
            page.choices.click(self.on_choice, [page.store], **turn),
            page.retry.click(self.on_retry, [page.store], **turn),
            *(
                starter.click(self._starter(text), [page.store], **turn)
                for text, starter in zip(page.domain.starters, page.starters, strict=True)
            ),
        ]
        for event in turns:
            event.then(self.on_load, [page.store], **quick).then(fn=None, js=SCROLL)
        page.undo.click(self.on_undo, [page.store], **quick)
        for fresh in (page.clear, page.new):
            fresh.click(self.on_new, [page.store], **quick).then(
                fn=None, js="() => document.querySelector('#message textarea')?.focus()"
            )
        changed = quick | {
            "outputs": [page.thread, page.beliefs, page.chats, page.choices],
            "trigger_mode": "multiple",  # a press while another is kept must not be lost
        }
        page.thread.click(self.on_press, [page.store], **changed)
        page.beliefs.click(self.on_forget, [page.store], **changed)
        page.chats.click(self.on_chat, [page.store], **quick)
        page.user.input(
            self.on_user, [page.user, page.store], **quick | {"outputs": [page.history, page.beliefs, page.chats]}
        )

    def on_load(self, stored: Any) -> Updates:
        """A page was opened or reloaded, or an answer has been streamed: show the conversation as it is kept."""
        session = Session.read(stored)
        try:
            conversation = self.desk.open(session)
        except PermissionError:
            session = Session.new(session.owner)
            conversation = self.desk.open(session)
        return self.page.show(conversation, session)

    # What a person does

    def on_message(self, message: str, stored: Any) -> Iterator[Updates]:
        """A message was sent: show it, answer it, keep both, stream the words; the items come with the reload after."""
        text = message.strip()[:MESSAGE_LIMIT]
        if not text:
            return
        session = Session.read(stored)
        yield {self.page.message: gr.update(value=""), **self.page.waiting(pending_html(text), session)}
        yield from self._answer(session, text)

    def _answer(self, session: Session, text: str, again: bool = False) -> Iterator[Updates]:
        try:
            with self.desk.turn(session) as conversation:
                if again:
                    self.recommender.undo(conversation)
                self.recommender.reply(conversation, text)
        except Exception as error:
            gr.Warning(trouble(error), duration=12)
            yield {self.page.message: gr.update(value=text), self.page.pending: ""}
            return
        end = time.monotonic() + STREAM_SECONDS
        for piece in pieces(conversation.messages[-1].content):
            yield {self.page.pending: pending_html(text, piece)}
            time.sleep(PIECE_SECONDS)
            if time.monotonic() > end:
                break

    def on_choice(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """A quick reply was pressed."""
        yield from self.on_message(str(event.value), stored)

    def _starter(self, text: str) -> Any:
        def on_starter(stored: Any) -> Iterator[Updates]:
            yield from self.on_message(text, stored)

        return on_starter

    def on_retry(self, stored: Any) -> Iterator[Updates]:
        """The last message is answered again; the answer that it had is dropped."""
        session = Session.read(stored)
        conversation = self.desk.open(session)
        text = next((m.content for m in reversed(conversation.messages) if m.role == "user"), None)
        if text is not None:
            shorter = Conversation(conversation.id, conversation.user, undone(conversation.events)[0])
            thread = transcript_html(shorter, self.recommender.state(shorter), self.page.catalogue)
            yield self.page.waiting(pending_html(text), session, thread)
            yield from self._answer(session, text, again=True)

    def on_undo(self, stored: Any) -> Updates:
        """The last exchange is taken back; its text returns to the message box."""
        session = Session.read(stored)
        with explained(), self.desk.turn(session) as conversation:
            text = self.recommender.undo(conversation)
        return {**self.page.show(conversation, session), self.page.message: gr.update(value=text or "")}

    def on_new(self, stored: Any) -> Updates:
        """A new, empty chat; the current one stays in the list."""
        session = Session.new(Session.read(stored).owner)
        return {
            **self.page.show(Conversation(id=session.conversation), session),
            self.page.message: gr.update(value=""),
        }

    def on_chat(self, stored: Any, event: gr.EventData) -> Updates:
        """A chat in the list was opened or deleted."""
        session = Session.read(stored)
        target = Session.read({"owner": session.owner, "conversation": event.value})
        if event.action == "delete":
            with explained():
                self.desk.delete(session, target.conversation)
            if target.conversation != session.conversation:
                return self.page.changed(self.desk.open(session), session)
            target = Session.new(session.owner)
        with explained():
            return self.page.show(self.desk.open(target), target)

    def on_forget(self, stored: Any, event: gr.EventData) -> Updates:
        """A belief or a condition in the panel was removed; a slate that stood is renewed."""
        session = Session.read(stored)
        with explained(), self.desk.turn(session) as conversation, suppress(KeyError):
            # A KeyError says that it is gone already: a double click, or another tab.
            self.recommender.forget(conversation, str(event.value))
        return {**self.page.changed(conversation, session), self.page.choices: ""}

    def on_user(self, user: str | None, stored: Any) -> Updates:
        """A user was picked whose past counts as the person's own."""
        session = Session.read(stored)
        picked = user or None
        if picked is not None and picked not in self.page.users:
            raise gr.Error(f"No user {escape(picked)!r} in the data: pick one from the list.")
        with explained(), self.desk.turn(session) as conversation:
            conversation.user = picked
        changed = self.page.changed(conversation, session)
        del changed[self.page.thread]
        return {self.page.history: self.page.past(picked), **changed}

    def on_press(self, stored: Any, event: gr.EventData) -> Updates:
        """A button on a card, or a grade in its list: ``item kind`` or ``item rated grade``."""
        read = PRESS.fullmatch(str(event.value))
        if read is None:
            raise gr.Error("This cannot be pressed: reload the page.")
        grade = None if read[3] is None else float(read[3])
        return self.press(Session.read(stored), read[1], read[2], grade)

    def press(self, session: Session, item_id: str, kind: str, value: float | None) -> Updates:
        """Kept first, then shown. A pressed button is taken back."""
        with explained(), self.desk.turn(session) as conversation:
            if item_id not in conversation.shown:
                raise gr.Error("This was not recommended in this chat: reload the page.")
            if self._pressed(conversation, item_id, kind, value):
                self.recommender.react(conversation, item_id, "removed")
            else:
                self.recommender.react(conversation, item_id, kind, value)
        return {**self.page.changed(conversation, session), self.page.choices: ""}

    def _pressed(self, conversation: Conversation, item_id: str, kind: str, value: float | None) -> bool:
        state, item = self.recommender.state(conversation), self.page.catalogue.index(item_id)
        own = state.judgements.get(item, Judgement())
        held = {
            "liked": own.opinion == "liked" and own.rating is None,
            "disliked": own.opinion == "disliked" and own.rating is None,
            "seen": own.seen and own.rating is None,
            "more": item in state.like,
            "less": item in state.unlike,
            "rated": own.rating is not None and own.rating == value,
        }
        return held.get(kind, False)
