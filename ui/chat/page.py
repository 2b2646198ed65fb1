"""Chat page: the chat tab's components, and what they show for a conversation."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from agent.recommender import Recommender
from agent.records.conversation import Conversation
from ui.chat import keeping, panel
from ui.chat.session import Desk, Session
from ui.chat.transcript import transcript_html

MESSAGE_LIMIT = 2000
"""Longest message, in characters."""
USERS_LISTED = 2000
"""How many users the picker lists; any other id can be typed."""

OPEN_SHEET = (
    '<button type="button" id="open-sheet" data-sheet aria-expanded="false" aria-controls="side">'
    "What I believe about you (<span data-count>0</span>)</button>"
)
CLOSE_SHEET = (
    '<button type="button" id="close-sheet" data-sheet aria-expanded="true" aria-controls="side" '
    'aria-label="Close the panel">Close</button>'
)
"""On a phone the side column is a sheet above the chat."""

Updates = dict[Any, Any]
"""Component -> its new value or update."""


class ChatPage:
    """Builds the components inside the current Blocks; it holds them, never a person's state."""

    def __init__(self, recommender: Recommender, desk: Desk, store: gr.BrowserState) -> None:
        self.recommender = recommender
        self.catalogue = recommender.catalogue
        self.domain = recommender.catalogue.domain
        self.desk = desk
        self.store = store
        self.users = frozenset(recommender.users())
        self.busy = f"Looking through {len(self.catalogue):,} {self.domain.nouns.many}"
        self._build(recommender.users()[:USERS_LISTED])

    def _welcome(self) -> str:
        base, many, size = escape(self.domain.verbs.base), escape(self.domain.nouns.many), f"{len(self.catalogue):,}"
        if self.domain.answers:
            return (
                "<h2>What can I help you with?</h2><p>Describe it in your own words. I look for it in "
                f"{size} {many}; what none of them answers goes to a colleague.</p>"
            )
        return (
            f"<h2>What would you like to {base}?</h2><p>Name {many} you love or hate, a mood, a kind, a time. "
            f"I choose from {size} {many} and say why.</p>"
        )

    def _build(self, users: list[str]) -> None:
        nouns, people = self.domain.nouns, self.domain.people
        with gr.Row(elem_classes=["chat-page"]):
            with gr.Column(scale=7, min_width=320, elem_classes=["main-column"]):
                with gr.Column(elem_classes=["welcome"]) as self.welcome:
                    gr.HTML(self._welcome())
                    with gr.Row(elem_classes=["starters"]):
                        self.starters = [gr.Button(text, size="md", min_width=200) for text in self.domain.starters]
                self.thread = gr.HTML("", js_on_load=panel.ON_LOAD, elem_id="transcript")
                self.pending = gr.HTML("", elem_id="pending")
                gr.HTML('<div id="echo" class="thread"></div>')
                self.choices = gr.HTML("", js_on_load=panel.ON_LOAD, elem_id="choices")
                with gr.Row(visible=False, elem_classes=["turn-actions"]) as self.turn_actions:
                    self.retry = gr.Button("Try again", size="sm", min_width=0, elem_id="retry")
                    self.undo = gr.Button("Undo", size="sm", min_width=0, elem_id="undo")
                    self.clear = gr.Button("New chat", size="sm", min_width=0, elem_id="clear")
                with gr.Column(elem_classes=["composer"]):
                    gr.HTML(OPEN_SHEET + '<p id="unsent" role="status"></p>')
                    self.message = gr.Textbox(
                        label="Message",
                        show_label=False,
                        placeholder="Your question…"
                        if self.domain.answers
                        else f"{nouns.any.capitalize()}, a mood, a kind…",
                        lines=1,
                        max_lines=6,
                        max_length=MESSAGE_LIMIT,
                        submit_btn=True,
                        autofocus=True,
                        container=False,
                        elem_id="message",
                    )
            with gr.Column(scale=3, min_width=300, elem_id="side", elem_classes=["side-column"]):
                gr.HTML(CLOSE_SHEET)
                with gr.Accordion("What I believe about you", open=True, elem_id="beliefs"):
                    self.beliefs = gr.HTML("", js_on_load=panel.ON_LOAD)
                    self.bring = gr.UploadButton(
                        "Bring your history",
                        size="sm",
                        visible=not self.domain.answers,
                        file_types=[".csv", ".tsv", ".json", ".txt", ".zip"],
                        elem_id="bring",
                    )
                    gr.HTML(
                        '<p class="quiet">The export of a site where you keep one, or a list with a title a line. '
                        "It counts from the next answer on.</p>",
                        visible=not self.domain.answers,
                    )
                with gr.Accordion(
                    f"Look over a {people.one}'s shoulder", open=False, elem_id="shoulder", visible=bool(users)
                ) as self.shoulder:
                    self.user = gr.Dropdown(
                        [("Nobody", ""), *((f"User {user}", user) for user in users)],
                        value=None,  # and not "Nobody": a name typed here would be appended to it
                        label=f"{people.one.capitalize()} from the data set",
                        info=f"Recommend as if you had the past of this {people.one}.",
                        filterable=True,
                        allow_custom_value=len(self.users) > USERS_LISTED,
                        elem_id="user",
                    )
                    self.history = gr.HTML("")
                with gr.Accordion(f"Your {self.domain.later}", open=False, elem_id="saved"):
                    self.saved = gr.HTML("", js_on_load=panel.ON_LOAD)
                with gr.Accordion("Your taste across chats", open=False, elem_id="profile"):
                    self.keeps = gr.Checkbox(label="Keep what I like for later chats", elem_id="keeps")
                    self.profile = gr.HTML("", js_on_load=panel.ON_LOAD)
                    with gr.Row(elem_classes=["small-buttons"]):
                        self.save_profile = gr.Button("Export", size="sm", min_width=0, elem_id="save-profile")
                        self.forget_profile = gr.Button("Forget all", size="sm", min_width=0, elem_id="forget-profile")
                with gr.Accordion("Your chats", open=False, elem_id="chats"):
                    with gr.Row(elem_classes=["small-buttons"]):
                        self.new = gr.Button("New chat", size="sm", min_width=0, elem_id="new-chat")
                        self.save_text = gr.Button("Export this chat", size="sm", min_width=0, elem_id="save-text")
                        self.save_data = gr.Button("as JSON", size="sm", min_width=0, elem_id="save-data")
                    self.chats = gr.HTML("", js_on_load=panel.ON_LOAD)
                self.file = gr.JSON(visible=False)

    @property
    def components(self) -> list[Any]:
        """Every component that a change of conversation touches."""
        return [
            *self.turning, self.beliefs, self.shoulder, self.user, self.history, self.chats, self.saved, self.keeps,
            self.profile,
        ]  # fmt: skip

    @property
    def turning(self) -> list[Any]:
        """The few components that a streaming answer touches: the browser looks at each of them for every piece."""
        return [
            self.store, self.message, self.welcome, self.thread, self.pending, self.choices, self.turn_actions,
        ]  # fmt: skip

    @property
    def answering(self) -> list[Any]:
        """What shows that a message is being answered."""
        return [self.message, self.welcome, self.pending, self.choices, self.turn_actions]

    def waiting(self, pending: str, session: Session, thread: str | None = None) -> Updates:
        """A message is being answered, as ``pending``; ``thread`` is what stands above it (None: as it is)."""
        return {
            self.store: session.write(),
            self.message: gr.update(submit_btn=False, stop_btn=True),  # the browser has emptied it
            self.welcome: gr.update(visible=False),
            self.pending: pending,
            self.choices: "",
            self.turn_actions: gr.update(visible=False),
            **({self.thread: thread} if thread is not None else {}),
        }

    def show(self, conversation: Conversation, session: Session) -> Updates:
        """Every component's update for a conversation."""
        last = conversation.messages[-1].answer if conversation.messages else None
        started = bool(conversation.messages)
        shown = Session(session.owner, conversation.id)
        return {
            self.store: shown.write(),
            self.message: gr.update(submit_btn=True, stop_btn=False),
            self.welcome: gr.update(visible=not started),
            self.pending: "",
            self.choices: panel.choices_html(last.choices if last else ()),
            self.turn_actions: gr.update(visible=started),
            **self.changed(conversation, shown),
            # A borrowed past is never at work unseen.
            self.shoulder: gr.update(open=True) if conversation.user else gr.skip(),
            self.user: gr.update(value=conversation.user),
            self.history: self.past(conversation.user),
        }

    def changed(self, conversation: Conversation, session: Session) -> Updates:
        """What a press changes: the transcript with its cards, the panels and the list of chats."""
        state = self.recommender.state(conversation)
        profile = self.desk.profiles.get(session.owner_key)
        return {
            self.thread: transcript_html(conversation, state, self.catalogue, profile.saved),
            self.saved: keeping.saved_html(profile, self.catalogue),
            self.keeps: profile.keeps,
            self.profile: keeping.profile_html(profile, self.catalogue),
            self.beliefs: panel.beliefs_html(state, self.catalogue, conversation.id),
            self.chats: panel.conversations_html(self.desk.earlier(session), conversation.id),
        }

    def past(self, user: str | None) -> str:
        """The history table of the picked user."""
        return panel.history_html(user, self.recommender.history(user) if user else (), self.catalogue)
