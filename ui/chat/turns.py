"""Chat: the tab where a person talks to the recommender; what each click and message does."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from agent.catalogue.person_history import read_history
from agent.dialogue.state import Judgement
from agent.recommender import Recommender, StoppedError
from agent.records.conversation import Conversation, undone
from agent.store.profiles import Profile
from ui import theme
from ui.chat import keeping
from ui.chat.export import chat_json, chat_markdown
from ui.chat.page import MESSAGE_LIMIT, ChatPage, Updates
from ui.chat.session import Desk, Session
from ui.chat.transcript import PIECE_SECONDS, STREAM_SECONDS, pending_html, pieces, transcript_html

PRESS = re.compile(r"(.+) (liked|disliked|seen|more|less|later|rated)(?: ([1-5]))?")
"""What a control of a card sends."""


NOTHING: Any = gr.skip()
"""Leaves the page as it is; an event that yields nothing at all would empty every component that it may change."""

SAVE = """(file) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([file.text], {type: file.type}));
  link.download = file.name;
  link.click();
  URL.revokeObjectURL(link.href);
}"""
"""Hands a file to the person; it is made in the browser and never lies on the server."""


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


@dataclass(slots=True)
class Asked:
    """A message that is being answered: it is either stopped, or its answer is kept."""

    text: str
    _outcome: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self) -> bool:
        """Ask that the answer is dropped; returns whether that is still possible."""
        with self._lock:
            self._outcome = self._outcome or "stopped"
            return self._outcome == "stopped"

    @property
    def stopped_already(self) -> bool:
        """Whether it was stopped so far."""
        return self._outcome == "stopped"

    def stopped(self) -> bool:
        """Whether it was stopped; where it was not, its answer counts as kept from now on."""
        with self._lock:
            self._outcome = self._outcome or "kept"
            return self._outcome == "stopped"


class ChatTab:
    """The chat page inside the current Blocks, connected; holds no person's state, but what is being answered now.

    The messages of one chat are answered one after the other, in the order in which they came.
    """

    def __init__(self, recommender: Recommender, desk: Desk, store: gr.BrowserState) -> None:
        self.recommender = recommender
        self.desk = desk
        self.page = ChatPage(recommender, desk, store)
        self._asked: dict[str, list[Asked]] = {}
        self._moved = threading.Condition()  # guards the lines of messages above, and tells that one has moved on
        self._connect()

    def _connect(self) -> None:
        page = self.page
        quick: dict[str, Any] = {
            "outputs": page.components, "concurrency_limit": 16, "concurrency_id": "quick", "show_progress": "hidden",
            "api_visibility": "private",
        }  # fmt: skip
        # "multiple": after a stop the next message need not wait until the stopped one has let go.
        turn = quick | {
            "outputs": page.turning, "concurrency_limit": 8, "concurrency_id": "turn", "trigger_mode": "multiple",
        }  # fmt: skip
        turns = [
            page.message.submit(self.on_message, [page.message, page.store], js=theme.SENDING, **turn),
            page.choices.click(self.on_choice, [page.store], js=theme.OWN_CHAT, **turn),
            page.retry.click(self.on_retry, [page.store], **turn),
            page.thread.submit(self.on_edit, [page.store], **turn),
            *(
                starter.click(self._starter(text), [page.store], js=theme.OWN_CHAT, **turn)
                for text, starter in zip(page.domain.starters, page.starters, strict=True)
            ),
        ]
        for event in turns:
            event.then(self.on_settled, [page.store], js=theme.OWN_CHAT, **quick)
        page.message.stop(self.on_stop, [page.store], **quick)
        page.undo.click(self.on_undo, [page.store], **quick)
        for fresh in (page.clear, page.new):
            fresh.click(self.on_new, [page.store], **quick).then(
                fn=None, js="() => document.querySelector('#message textarea')?.focus()"
            )
        changed = quick | {
            "outputs": [
                page.thread,
                page.pending,
                page.beliefs,
                page.chats,
                page.choices,
                page.saved,
                page.keeps,
                page.profile,
            ],
            "trigger_mode": "multiple",  # a press while another is kept must not be lost
        }
        page.thread.click(self.on_press, [page.store], **changed)
        page.beliefs.click(self.on_forget, [page.store], **changed)
        page.bring.upload(self.on_bring, [page.bring, page.store], **changed)
        page.chats.click(self.on_chat, [page.store], **quick)
        past = [page.history, page.beliefs, page.chats, page.saved, page.keeps, page.profile]
        page.user.input(self.on_user, [page.user, page.store], **quick | {"outputs": past})
        page.saved.click(self.on_unsave, [page.store], **changed)
        page.keeps.input(self.on_keep, [page.keeps, page.store], **changed)
        page.profile.click(self.on_unkeep, [page.store], **changed)
        page.forget_profile.click(self.on_forget_all, [page.store], **changed)
        for button, made in (
            (page.save_profile, self.on_save_profile),
            (page.save_text, self.on_save_text),
            (page.save_data, self.on_save_data),
        ):
            saving = button.click(made, [page.store], **quick | {"outputs": [page.file]})
            saving.success(fn=None, inputs=[page.file], js=SAVE)

    def on_load(self, stored: Any) -> Updates:
        """A page was opened or reloaded: show the conversation as it is kept."""
        session = Session.read(stored)
        try:
            conversation = self.desk.open(session)
        except PermissionError:
            session = Session.new(session.owner)
            conversation = self.desk.open(session)
        shown = self.page.show(conversation, session)
        if self._line(session):  # a message came before the page did: what shows it stays
            return {own: update for own, update in shown.items() if own not in self.page.answering}
        return shown

    def on_settled(self, stored: Any) -> Any:
        """An answer has been streamed, or was stopped: show the conversation, unless the next message is on its way."""
        return NOTHING if self._line(Session.read(stored)) else self.on_load(stored)

    def _line(self, session: Session) -> list[Asked]:
        """The messages of the session's chat that are not answered yet, in order."""
        return self._asked.get(session.conversation, [])

    # What a person does

    def on_message(self, message: str, stored: Any) -> Iterator[Updates]:
        """A message was sent: show it, answer it, keep both, stream the words; the items come with the reload after."""
        text = message.strip()[:MESSAGE_LIMIT]
        if text:
            yield from self._answer(Session.read(stored), text)
        else:
            yield NOTHING

    def _answer(self, session: Session, text: str, thread: str | None = None) -> Iterator[Updates]:
        """Answer a message when those before it are answered.

        ``thread`` is the transcript without the last exchange, where that is answered again (None: it is not).
        """
        asked = Asked(text)
        with self._moved:
            line = self._asked.setdefault(session.conversation, [])
            line.append(asked)
        try:
            yield self.page.waiting(self._pending(line), session, thread)
            with self._moved:
                self._moved.wait_for(lambda: asked.stopped_already or line[0] is asked)
            if asked.stopped_already:
                return
            with self._turn(session) as conversation:
                if thread is not None:
                    conversation.events, _ = undone(conversation.events)
                saved = self.desk.profiles.get(session.owner_key).saved
                self.recommender.reply(conversation, text, stopped=asked.stopped, saved=saved)
                self._keep(session, lambda own: keeping.put_aside(own, conversation))
            end = time.monotonic() + STREAM_SECONDS
            for piece in pieces(conversation.messages[-1].content):
                yield {self.page.pending: self._pending(line, piece)}
                time.sleep(PIECE_SECONDS)
                if time.monotonic() > end:
                    break
        except StoppedError:
            return  # the page was shown again when it was stopped
        except Exception as error:
            gr.Warning(trouble(error), duration=12)
            yield {self.page.message: gr.update(value=text), self.page.pending: self._pending(line[1:])}
            return
        finally:
            self._leave(session, line, asked)
        shown = self.page.changed(conversation, session)
        yield {self.page.thread: shown[self.page.thread], self.page.pending: self._pending(line)}

    def _pending(self, line: Sequence[Asked], partial: str | None = None) -> str:
        """The messages in line, the first of them being answered; ``partial`` is its answer so far."""
        return pending_html([own.text for own in line], self.page.busy, partial) if line else ""

    def _leave(self, session: Session, line: list[Asked], asked: Asked) -> None:
        with self._moved:
            line.remove(asked)
            if not line and self._asked.get(session.conversation) is line:
                del self._asked[session.conversation]
            self._moved.notify_all()

    def on_stop(self, stored: Any) -> Updates:
        """The messages that are not answered yet return to the box; an answer that has come already stays."""
        session = Session.read(stored)
        with self._moved:
            line = self._asked.pop(session.conversation, [])
            stopped = [own.text for own in line if own.stop()]
            answered = len(stopped) < len(line) or not line
            self._moved.notify_all()
        text = gr.update(value="\n".join(stopped), submit_btn=True, stop_btn=False) if stopped else None
        if answered:
            with self.desk.turn(session) as conversation:  # it is being kept: wait until it is
                shown = self.page.show(conversation, session)
        else:
            shown = self.page.show(self.desk.open(session), session)
        return shown if text is None else {**shown, self.page.message: text}

    @contextmanager
    def _turn(self, session: Session) -> Iterator[Conversation]:
        """As :meth:`Desk.turn`; what the chat has told of a person's taste is kept where they want that."""
        with self.desk.turn(session) as conversation:
            before = self.recommender.state(conversation).judgements
            yield conversation
        after = self.recommender.state(conversation).judgements
        if before != after and self.desk.profiles.get(session.owner_key).keeps:
            self._keep(session, lambda own: keeping.learned(own, before, after, self.page.catalogue))

    def _keep(self, session: Session, how: Callable[[Profile], Profile]) -> None:
        self.desk.profiles.change(session.owner_key, how)

    def on_choice(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """A quick reply was pressed."""
        yield from self.on_message(str(event.value), stored)

    def _starter(self, text: str) -> Any:
        def on_starter(stored: Any) -> Iterator[Updates]:
            yield from self.on_message(text, stored)

        return on_starter

    def on_retry(self, stored: Any) -> Iterator[Updates]:
        """The last message is answered again; the answer that it had is dropped."""
        yield from self._again(Session.read(stored), None)

    def on_edit(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """The last message was edited; it and its answer are replaced."""
        text = str(event.value).strip()[:MESSAGE_LIMIT]
        if text:
            yield from self._again(Session.read(stored), text)
        else:
            yield NOTHING

    def _again(self, session: Session, text: str | None) -> Iterator[Updates]:
        conversation = self.desk.open(session)
        events, last = undone(conversation.events)
        if last is not None and not self._line(session):
            shorter = Conversation(conversation.id, conversation.user, events)
            thread = transcript_html(shorter, self.recommender.state(shorter), self.page.catalogue)
            yield from self._answer(session, text or last, thread)
        else:
            yield NOTHING

    def on_undo(self, stored: Any) -> Updates:
        """The last exchange is taken back; its text returns to the message box."""
        session = Session.read(stored)
        with explained(), self._turn(session) as conversation:
            text = self.recommender.undo(conversation)
        shown = self.page.show(conversation, session)
        return {**shown, self.page.message: gr.update(value=text or "", submit_btn=True, stop_btn=False)}

    def on_new(self, stored: Any) -> Updates:
        """A new, empty chat; the current one stays in the list."""
        session = Session.new(Session.read(stored).owner)
        return {
            **self.page.show(self.desk.open(session), session),
            self.page.message: gr.update(value="", submit_btn=True, stop_btn=False),
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

    def on_forget(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """A belief or a condition in the panel was removed; a slate that stood is renewed."""
        what = str(event.value)

        def drop(conversation: Conversation) -> None:
            with suppress(KeyError):  # it is gone already: a double click, or another tab
                self.recommender.forget(conversation, what)

        yield from self._changed(Session.read(stored), drop, renews=what not in self.page.catalogue)

    def on_unsave(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """An item was taken from the list for later."""
        session, item_id = Session.read(stored), str(event.value)

        def without(own: Profile) -> Profile:
            return own.toggled(item_id) if item_id in own.saved else own

        yield from self._kept(session, without)

    def on_keep(self, keeps: bool, stored: Any) -> Iterator[Updates]:
        """Taste is to be kept across chats from now on, this chat's with it; or no longer."""
        session = Session.read(stored)
        told = self.recommender.state(self.desk.open(session)).judgements

        def kept(own: Profile) -> Profile:
            own = replace(own, keeps=bool(keeps))
            return keeping.learned(own, {}, told, self.page.catalogue) if own.keeps else own

        yield from self._kept(session, kept)

    def on_unkeep(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """One thing that was kept is no longer."""
        item_id = str(event.value)
        yield from self._kept(Session.read(stored), lambda own: own.with_taste([item_id], ()))

    def on_forget_all(self, stored: Any) -> Iterator[Updates]:
        """All that was kept of the person's taste is deleted, and nothing is kept any more."""
        yield from self._kept(Session.read(stored), lambda own: Profile(saved=own.saved))

    def _kept(self, session: Session, how: Callable[[Profile], Profile]) -> Iterator[Updates]:
        with explained():
            self._keep(session, how)
        yield self.page.changed(self.desk.open(session), session)

    def on_save_profile(self, stored: Any) -> dict[str, str]:
        """The profile as a file."""
        own = self.desk.profiles.get(Session.read(stored).owner_key)
        return _file("taste.json", keeping.profile_json(own, self.page.catalogue))

    def on_save_text(self, stored: Any) -> dict[str, str]:
        """The chat as a file to read."""
        return _file("chat.md", chat_markdown(self.desk.open(Session.read(stored))))

    def on_save_data(self, stored: Any) -> dict[str, str]:
        """The chat as a file to process."""
        return _file("chat.json", chat_json(self.desk.open(Session.read(stored)), self.recommender))

    def on_bring(self, file: str, stored: Any) -> Updates:
        """A file of what the person had elsewhere was given: it is read and not kept."""
        session, path = Session.read(stored), Path(file)
        try:
            with explained(), self.desk.turn(session) as conversation:
                self.recommender.bring(conversation, path.name, read_history(path, self.page.catalogue))
        finally:
            path.unlink(missing_ok=True)
        return {**self.page.changed(conversation, session), self.page.choices: gr.skip()}

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

    def on_press(self, stored: Any, event: gr.EventData) -> Iterator[Updates]:
        """A button on a card, or a grade in its list: ``item kind`` or ``item rated grade``."""
        read = PRESS.fullmatch(str(event.value))
        if read is None:
            raise gr.Error("This cannot be pressed: reload the page.")
        grade = None if read[3] is None else float(read[3])
        yield from self.press(Session.read(stored), read[1], read[2], grade)

    def press(self, session: Session, item_id: str, kind: str, value: float | None) -> Iterator[Updates]:
        """Kept first, then shown. A pressed button is taken back."""

        def press(conversation: Conversation) -> None:
            if kind == "later" and item_id in self.page.catalogue:
                self._keep(session, lambda own: own.toggled(item_id))
                return
            if item_id not in conversation.shown:
                raise gr.Error("This was not recommended in this chat: reload the page.")
            if self._pressed(conversation, item_id, kind, value):
                self.recommender.react(conversation, item_id, "removed")
            else:
                self.recommender.react(conversation, item_id, kind, value)

        yield from self._changed(session, press, renews=kind in ("more", "less"))

    def _changed(self, session: Session, change: Callable[[Conversation], None], renews: bool) -> Iterator[Updates]:
        """Change the conversation, then show it; ``renews``: that takes a moment, for other items are looked for."""
        if renews:
            yield {self.page.pending: pending_html([], self.page.busy), self.page.choices: ""}
        try:
            with explained(), self._turn(session) as conversation:
                change(conversation)
        except gr.Error as error:
            gr.Warning(str(error.message), duration=12)
            conversation = self.desk.open(session)
        yield {**self.page.changed(conversation, session), self.page.pending: "", self.page.choices: ""}

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


def _file(name: str, content: Any) -> dict[str, str]:
    """What :data:`SAVE` makes a file of."""
    if isinstance(content, str):
        return {"name": name, "type": "text/markdown", "text": content}
    return {"name": name, "type": "application/json", "text": json.dumps(content, ensure_ascii=False, indent=1)}
