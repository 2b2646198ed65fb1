"""Chat page: the chat tab's components, and what they show for a conversation."""

from __future__ import annotations

from typing import Any

import gradio as gr

from agent.recommender import Recommender
from agent.records.conversation import Conversation
from ui.chat import panel
from ui.chat.cards import SLOTS, build_card, card_updates
from ui.chat.session import Desk, Session
from ui.chat.transcript import transcript

STARTERS = (
    "A tense thriller from the 90s",
    "Something like Alien, but funny",
    "I loved The Godfather and Pulp Fiction",
    "No horror, please, and older than 1980",
    "A feel-good romance for tonight",
    "Surprise me with something off the beaten track",
)
MESSAGE_LIMIT = 2000
"""Longest message, in characters."""
USERS_LISTED = 2000
"""How many users the picker lists; any other id can be typed."""

Updates = dict[Any, Any]
"""Component -> its new value or update."""


class ChatPage:
    """Builds the components inside the current Blocks; it holds them, never a person's state."""

    def __init__(self, recommender: Recommender, desk: Desk, store: gr.BrowserState) -> None:
        self.recommender = recommender
        self.desk = desk
        self.store = store
        self.users = frozenset(recommender.users())
        self._build(recommender.users()[:USERS_LISTED])

    def _build(self, users: list[str]) -> None:
        with gr.Row(elem_classes=["chat-page"]):
            with gr.Column(scale=7, min_width=320, elem_classes=["main-column"]):
                with gr.Column(elem_classes=["welcome"]) as self.welcome:
                    gr.HTML(
                        "<h2>What would you like to watch?</h2>"
                        "<p>Name films you love or hate, a mood, a genre, a time. "
                        f"I choose from {len(self.recommender.catalogue.items):,} films and say why.</p>"
                    )
                    with gr.Row(elem_classes=["starters"]):
                        self.starters = [gr.Button(text, size="md", min_width=200) for text in STARTERS]
                self.chatbot = gr.Chatbot(
                    visible=False,
                    show_label=False,
                    label="Conversation",
                    elem_id="transcript",
                    height=None,
                    container=False,
                    autoscroll=False,
                    buttons=[],
                    sanitize_html=True,
                    allow_tags=False,
                    render_markdown=False,
                    latex_delimiters=[],
                    allow_file_downloads=False,
                    layout="bubble",
                )
                self.choices = gr.HTML("", js_on_load=panel.ON_LOAD, elem_id="choices")
                with gr.Column(elem_classes=["cards"], elem_id="cards") as self.slate:
                    self.cards = [build_card(place) for place in range(SLOTS)]
                with gr.Row(visible=False, elem_classes=["turn-actions"]) as self.turn_actions:
                    self.retry = gr.Button("Try again", size="sm", min_width=0, elem_id="retry")
                    self.undo = gr.Button("Undo", size="sm", min_width=0, elem_id="undo")
                    self.clear = gr.Button("New chat", size="sm", min_width=0, elem_id="clear")
                with gr.Row(elem_classes=["composer"]):
                    self.message = gr.Textbox(
                        label="Message",
                        show_label=False,
                        placeholder="A film, a mood, a genre…",
                        lines=1,
                        max_lines=6,
                        max_length=MESSAGE_LIMIT,
                        submit_btn=True,
                        autofocus=True,
                        container=False,
                        elem_id="message",
                    )
            with gr.Column(scale=3, min_width=300, elem_classes=["side-column"]):
                with gr.Accordion("What I believe about you", open=True, elem_id="beliefs"):
                    self.beliefs = gr.HTML("", js_on_load=panel.ON_LOAD)
                with gr.Accordion("Look over a viewer's shoulder", open=False, elem_id="shoulder") as self.shoulder:
                    self.user = gr.Dropdown(
                        [("Nobody", ""), *((f"User {user}", user) for user in users)],
                        value=None,  # and not "Nobody": a name typed here would be appended to it
                        label="Viewer from the data set",
                        info="Recommend as if you had this viewer's past.",
                        filterable=True,
                        allow_custom_value=len(self.users) > USERS_LISTED,
                        elem_id="user",
                    )
                    self.history = gr.HTML("")
                with gr.Accordion("Your chats", open=False, elem_id="chats"):
                    self.new = gr.Button("New chat", size="sm", elem_id="new-chat")
                    self.chats = gr.HTML("", js_on_load=panel.ON_LOAD)
        self.last_click = gr.State(("", 0.0))

    @property
    def components(self) -> list[Any]:
        """Every component that a change of conversation touches."""
        cards = [part for card in self.cards for part in (card.box, card.html, *card.controls)]
        return [
            *self.talking, self.beliefs, self.shoulder, self.user, self.history, self.chats, *cards,
        ]  # fmt: skip

    @property
    def talking(self) -> list[Any]:
        """The few components that a streaming answer touches: the browser looks at each of them for every piece."""
        return [
            self.store, self.message, self.welcome, self.chatbot, self.choices, self.slate, self.turn_actions,
        ]  # fmt: skip

    def listening(self, rows: list[Any], session: Session) -> Updates:
        """A message is being answered: the transcript is ``rows``, and there is nothing to press."""
        return {
            self.store: session.write(),
            self.welcome: gr.update(visible=False),
            self.chatbot: gr.update(value=rows, visible=True),
            self.choices: "",
            self.slate: gr.update(visible=False),
            self.turn_actions: gr.update(visible=False),
        }

    def show(self, conversation: Conversation, session: Session) -> Updates:
        """Every component's update for a conversation."""
        answer = conversation.messages[-1].answer if conversation.messages else None
        slate = conversation.slate
        started = bool(conversation.messages)
        seen = session.showing(conversation)
        return {
            self.store: seen.write(),
            self.welcome: gr.update(visible=not started),
            self.chatbot: gr.update(value=transcript(conversation), visible=started),
            self.choices: panel.choices_html(answer.choices if answer else ()),
            self.turn_actions: gr.update(visible=started),
            self.slate: gr.update(visible=slate is not None),
            **card_updates(self.cards, slate, conversation.beliefs, self.desk.name),
            **self.side(conversation, seen),
            # A borrowed past is never at work unseen.
            self.shoulder: gr.update(open=True) if conversation.user else gr.skip(),
            self.user: gr.update(value=conversation.user),
            self.history: self.past(conversation.user),
        }

    def side(self, conversation: Conversation, session: Session) -> Updates:
        """The panel and the list of chats."""
        return {
            self.beliefs: panel.beliefs_html(conversation, self.desk.name, self.desk.name_at, self.desk.versions),
            self.chats: panel.conversations_html(self.desk.earlier(session), conversation.id),
        }

    def past(self, user: str | None) -> str:
        """The history table of the picked viewer."""
        return panel.history_html(user, self.recommender.history(user) if user else (), self.desk.name_at)
