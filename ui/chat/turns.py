"""Chat: the tab where a person talks to the recommender; what each click and message does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from typing import Any

import gradio as gr

from agent.dialogue.dialogue_state import corrected
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from ui.chat.cards import SLOTS, control_updates
from ui.chat.page import MESSAGE_LIMIT, STARTERS, ChatPage, Updates
from ui.chat.session import Desk, Session
from ui.chat.transcript import PIECE_SECONDS, STREAM_SECONDS, pieces, transcript

DOUBLE_CLICK_SECONDS = 0.6
"""The same button of a card pressed again so soon is a double click, and counts once."""

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
        turn = quick | {"outputs": page.talking, "concurrency_limit": 8, "concurrency_id": "turn"}
        turns = [
            page.message.submit(self.on_message, [page.message, page.store], **turn),
            page.choices.click(self.on_choice, [page.store], **turn),
            page.retry.click(self.on_retry, [page.store], **turn),
            *(
                starter.click(self._starter(text), [page.store], **turn)
                for text, starter in zip(STARTERS, page.starters, strict=True)
            ),
        ]
        for event in turns:
            event.then(self.on_load, [page.store], **quick).then(fn=None, js=SCROLL)
        page.undo.click(self.on_undo, [page.store], **quick)
        for fresh in (page.clear, page.new):
            fresh.click(self.on_new, [page.store], **quick).then(
                fn=None, js="() => document.querySelector('#message textarea')?.focus()"
            )
        page.beliefs.click(self.on_forget, [page.store], **quick)
        page.chats.click(self.on_chat, [page.store], **quick)
        panel_only = quick | {"outputs": [page.history, page.beliefs, page.chats]}
        page.user.input(self.on_user, [page.user, page.store], **panel_only)
        for place, card in enumerate(page.cards):
            reaction = quick | {"outputs": [*card.controls, page.beliefs, page.chats, page.last_click]}
            for kind, button in card.buttons.items():
                button.click(self._reaction(place, kind), [page.store, page.last_click], **reaction)
            for value, star in enumerate(card.stars, 1):
                star.click(self._reaction(place, "rated", float(value)), [page.store, page.last_click], **reaction)

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
        """A message was sent: show it, answer it, keep both, stream the words; the films come with the reload after."""
        text = message.strip()[:MESSAGE_LIMIT]
        if not text:
            return
        session = Session.read(stored)
        rows = transcript(self.desk.open(session), pending=text)
        yield {self.page.message: gr.update(value=""), **self.page.listening(rows, session)}
        yield from self._answer(session, text)

    def _answer(self, session: Session, text: str, again: bool = False) -> Iterator[Updates]:
        try:
            with self.desk.turn(session) as conversation:
                if again:
                    self.recommender.undo(conversation)
                self.recommender.reply(conversation, text, k=SLOTS)
        except Exception as error:
            gr.Warning(trouble(error), duration=12)
            yield {self.page.message: gr.update(value=text)}
            return
        end = time.monotonic() + STREAM_SECONDS
        for piece in pieces(conversation.messages[-1].content):
            yield {self.page.chatbot: transcript(conversation, partial=piece)}
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
            yield self.page.listening(transcript(conversation, partial="…"), session)
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
                return self.page.side(self.desk.open(session), session)
            target = Session.new(session.owner)
        with explained():
            return self.page.show(self.desk.open(target), target)

    def on_forget(self, stored: Any, event: gr.EventData) -> Updates:
        """A belief or a condition in the panel was removed, or the other film of a title was meant."""
        session = Session.read(stored)
        with explained(), self.desk.turn(session) as conversation, suppress(KeyError):
            # A KeyError says that it is gone already: a double click, or another tab.
            if event.action == "meant":
                mistaken, _, meant = str(event.value).partition(">")
                if meant in self.desk.versions(mistaken):
                    corrected(conversation, mistaken, meant, self.recommender.catalogue)
            else:
                self.recommender.forget(conversation, str(event.value))
        updates = self.page.side(conversation, session)
        for item_id, card in zip(session.slate, self.page.cards, strict=False):
            updates |= control_updates(card, item_id, conversation.beliefs)
        return updates

    def on_user(self, user: str | None, stored: Any) -> Updates:
        """A viewer was picked whose past counts as the person's own."""
        session = Session.read(stored)
        picked = user or None
        if picked is not None and picked not in self.page.users:
            raise gr.Error(f"No viewer {escape(picked)!r} in the data: pick one from the list.")
        with explained(), self.desk.turn(session) as conversation:
            conversation.user = picked
        return {self.page.history: self.page.past(picked), **self.page.side(conversation, session)}

    def _reaction(self, place: int, kind: str, value: float | None = None) -> Any:
        def on_reaction(stored: Any, last: tuple[str, float]) -> Updates:
            return self.react(Session.read(stored), place, kind, value, last)

        return on_reaction

    def react(self, session: Session, place: int, kind: str, value: float | None, last: tuple[str, float]) -> Updates:
        """A button on a card: kept first, then shown. A pressed one is taken back; a double click counts once."""
        if place >= len(session.slate):
            raise gr.Error("This film is no longer on the page: reload it.")
        item_id, now = session.slate[place], time.monotonic()
        click = f"{session.conversation}/{item_id}/{kind}/{value}"
        if last[0] == click and now - last[1] < DOUBLE_CLICK_SECONDS:
            return {self.page.last_click: (click, now)}
        with explained(), self.desk.turn(session) as conversation:
            if item_id not in conversation.shown:
                raise gr.Error("This film was not recommended in this chat: reload the page.")
            held = (b for b in conversation.beliefs if b.item_id == item_id and b.attitude == kind)
            if any(value is None or belief.rating == value for belief in held):
                self.recommender.react(conversation, item_id, "removed")
            else:
                self.recommender.react(conversation, item_id, kind, value)
        return {
            **control_updates(self.page.cards[place], item_id, conversation.beliefs),
            **self.page.side(conversation, session),
            self.page.last_click: (click, now),
        }
