"""The chat's parts without a browser: sessions, words, escaping, accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.dialogue.state import DialogueState, Judgement, fold
from agent.records.answer import Answer, Evidence, Recommendation
from agent.records.conditions import Condition
from agent.records.conversation import Conversation, Pressed, Replied, Said
from agent.records.state import Event
from agent.service.access import is_loopback
from agent.store.feedback import FeedbackLog
from agent.store.profiles import Profile
from ui.chat import keeping, panel
from ui.chat.cards import card_html, effect, sentence
from ui.chat.export import chat_markdown
from ui.chat.session import Desk, Session
from ui.chat.transcript import PIECES, pending_html, pieces, transcript_html
from ui.chat.turns import Asked
from ui.cli.serve import ServeError, read_accounts

HOSTILE = "\"><img src=x onerror=alert(1)></script><script>alert(1)</script>' {{7*7}} ![x](http://127.0.0.1/x.png)"


class Tags(HTMLParser):
    """Collects the tags and attributes of a page's text, and the text itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def film(title: str = "Alien", reason: str = "It fits.", score: float = 0.1) -> Recommendation:
    facts = (Evidence("condition", 0.4, value=HOSTILE), Evidence("history", -0.2, "7", 5.0), Evidence(HOSTILE, 0.0))
    return Recommendation("7", title, 1979, (HOSTILE, "Horror"), score, 1.0, reason, facts)


def answer(reply: str, *items: Recommendation) -> Answer:
    return Answer(
        reply, items, (), "policy", {"name": "state", "version": "1", "hash": "0"}, 1.0, slate_changed=bool(items)
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        yield log


@pytest.fixture
def desk(log: FeedbackLog) -> Desk:
    return Desk(log)


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


def test_everything_from_data_or_people_is_shown_as_text(catalogue: Catalogue) -> None:
    named = (Condition("genre", "is", (HOSTILE,)),)
    state = DialogueState(conditions=named, hints=(HOSTILE,), judgements={3: Judgement("liked")}, like=(4,))
    conversation = Conversation(events=[Said(HOSTILE), Replied(answer(HOSTILE, film(HOSTILE, HOSTILE)))])
    pages = {
        "card": card_html(1, film(HOSTILE, HOSTILE), state, catalogue),
        "beliefs": panel.beliefs_html(state, catalogue),
        "choices": panel.choices_html([HOSTILE]),
        "chats": panel.conversations_html([(HOSTILE, HOSTILE)], HOSTILE),
        "history": panel.history_html(HOSTILE, (Event(1, 4.0),), catalogue),
        "transcript": transcript_html(conversation, state, catalogue),
        "pending": pending_html([HOSTILE], partial=HOSTILE),
        "profile": keeping.profile_html(Profile(True, (Pressed(HOSTILE, "liked"),), (HOSTILE,)), catalogue),
        "saved": keeping.saved_html(Profile(True, (), (HOSTILE,)), catalogue),
    }
    for name, page in pages.items():
        seen = Tags(page)
        assert not seen.tags & {"img", "script", "svg", "iframe"}, name
        assert not {attribute for attribute in seen.attributes if attribute.startswith("on")}, name
        assert HOSTILE.casefold() in seen.text.casefold(), name


def test_earlier_slates_keep_their_cards_and_buttons(catalogue: Catalogue) -> None:
    first, second = (Replied(answer("Try this.", film(title))) for title in ("Alien", "Heat"))
    conversation = Conversation(events=[Said("hi"), first, Said("more"), second])
    page = transcript_html(conversation, DialogueState(), catalogue)
    assert page.count('<article class="card"') == 2 and page.count("cards current") == 1
    assert page.index("Alien") < page.index("cards current") < page.index("Heat")
    assert page.count('data-value="7 liked"') == 2
    assert transcript_html(Conversation(), DialogueState(), catalogue) == ""
    assert "aria-busy" in pending_html(["hello"]) and "aria-busy" not in pending_html(["hello"], partial="Here")


def test_a_card_says_what_is_pressed_and_what_it_is_about(catalogue: Catalogue) -> None:
    liked = DialogueState(judgements={catalogue.index("7"): Judgement("liked")})
    page = card_html(1, film(), liked, catalogue)
    name = catalogue[catalogue.index("7")].name
    assert page.count('aria-pressed="true"') == 1 and f"Like: {name}" in page and f"Rate {name}" in page
    rated = DialogueState(judgements={catalogue.index("7"): Judgement("liked", True, 4.0)})
    page = card_html(1, film(), rated, catalogue)
    assert 'aria-pressed="true"' not in page and '<option value="7 rated 4" selected>' in page


@pytest.mark.parametrize("length", [1, 2, 10, 300])
def test_a_stream_grows_to_the_whole_text_in_few_pieces(length: int) -> None:
    text = " ".join(f"w{n}" for n in range(length))
    parts = list(pieces(text))
    assert all(text.startswith(part) and len(part) < len(text) for part in parts)
    assert parts == sorted(parts, key=len)
    assert len(parts) <= PIECES


def test_evidence_in_words(catalogue: Catalogue) -> None:
    name = catalogue[catalogue.index("7")].name
    assert name in sentence(Evidence("history", 0.1, "7", 5.0), film(), catalogue)
    assert "4.1" in sentence(Evidence("rating", 0.1, value=4.06), film(), catalogue)
    assert "1,583 viewers" in sentence(Evidence("raters", 0.1, value=1583), film(), catalogue)
    assert "1995" in sentence(Evidence("condition", 0.0, value=1995, facet="year"), film(), catalogue)
    assert effect(0.0) == effect(float("nan")) == ""
    assert effect(0.6931) == "2.0× likelier"
    assert effect(-0.6931) == "2.0× less likely"


@pytest.mark.parametrize("sent", [None, 7, [], {}, {"owner": "x"}, {"owner": "../" * 9, "conversation": "a" * 32}])
def test_a_malformed_session_becomes_a_fresh_one(sent: object) -> None:
    one, two = Session.read(sent), Session.read(sent)
    assert one.owner != two.owner
    assert one.conversation != two.conversation


def test_a_session_survives_the_browser_and_a_bad_conversation_keeps_its_owner() -> None:
    session = Session.new()
    assert Session.read(session.write()) == session
    assert Session.read({"owner": session.owner, "conversation": "' OR 1"}).owner == session.owner
    assert session.owner not in session.owner_key


def test_nobody_reads_changes_or_deletes_another_persons_conversation(desk: Desk, log: FeedbackLog) -> None:
    mine = Session.new()
    with desk.turn(mine) as conversation:
        conversation.events.append(Said("my secret"))
    theirs = Session(Session.new().owner, mine.conversation)
    for attempt in (desk.open, lambda s: desk.turn(s).__enter__(), lambda s: desk.delete(s, mine.conversation)):
        with pytest.raises(PermissionError):
            attempt(theirs)
    assert desk.earlier(theirs) == []
    assert desk.earlier(mine) == [(mine.conversation, "my secret")]
    assert desk.open(mine).messages[0].content == "my secret"


def test_a_turn_that_fails_changes_nothing(desk: Desk, log: FeedbackLog) -> None:
    session = Session.new()
    with pytest.raises(RuntimeError, match="half way"), desk.turn(session) as conversation:
        conversation.events.append(Said("first"))
        log.save_conversation(conversation)
        raise RuntimeError("half way")
    assert desk.open(session).messages == []
    with desk.turn(session) as conversation:
        conversation.events.append(Said("kept"))
    with pytest.raises(RuntimeError, match="half way"), desk.turn(session) as conversation:
        conversation.events.clear()
        log.save_conversation(conversation)
        raise RuntimeError("half way")
    assert [message.content for message in desk.open(session).messages] == ["kept"]


def test_a_new_chat_begins_with_the_kept_taste_and_changes_are_taken_over(
    desk: Desk, log: FeedbackLog, catalogue: Catalogue
) -> None:
    mine, item, other = Session.new(), catalogue.index("7"), catalogue.index("50")
    store = desk.profiles
    assert store.get(mine.owner_key) == Profile()
    before, after = {item: Judgement("liked")}, {item: Judgement(rating=2.0, seen=True), other: Judgement(seen=True)}
    store.change(mine.owner_key, lambda own: keeping.learned(replace(own, keeps=True), {}, before, catalogue))
    kept = store.change(mine.owner_key, lambda own: keeping.learned(own, before, after, catalogue).toggled("9"))
    assert [(own.item_id, own.kind, own.value) for own in kept.taste] == [("7", "rated", 2.0), ("50", "seen", None)]
    state = fold(desk.open(mine), catalogue)
    assert state.judgements[item].rating == 2.0 and state.judgements[other].seen
    assert desk.open(Session.new()).events == []
    store.change(mine.owner_key, lambda own: replace(own, keeps=False))
    assert desk.open(Session.new(mine.owner)).events == []
    store.change(mine.owner_key, lambda own: own.toggled("9").with_taste(["7", "50"], ()))
    assert store.get(mine.owner_key) == Profile()


def test_what_is_exported_as_text_stays_text() -> None:
    conversation = Conversation(events=[Said(HOSTILE), Replied(answer(HOSTILE, film(HOSTILE, HOSTILE)))])
    text = chat_markdown(conversation)
    assert re.search(r"(?<!\\)[<\[]", text) is None
    assert "**You:**" in text and "1. **" in text


def test_a_message_is_either_stopped_or_kept() -> None:
    early, late = Asked("a"), Asked("b")
    assert early.stop() and early.stopped()
    assert not late.stopped() and not late.stop()


def test_accounts(tmp_path: Path) -> None:
    file = tmp_path / "accounts"
    file.write_text("# people\nann:a:b\n\nbob:secret\n")
    assert read_accounts(file, None) == [("ann", "a:b"), ("bob", "secret")]
    assert read_accounts(None, "cy:x") == [("cy", "x")]
    assert read_accounts(None, None) == []


@pytest.mark.parametrize("text", ["", "\n# nobody\n", ":", "ann", "ann:", ":secret", "ann:  "])
def test_an_empty_account_never_means_open(text: str, tmp_path: Path) -> None:
    file = tmp_path / "accounts"
    file.write_text(text)
    for path, variable in ((file, None), (None, text)):
        with pytest.raises(ServeError, match="user:password"):
            read_accounts(path, variable)


def test_a_missing_account_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match="nothing-here"):
        read_accounts(tmp_path / "nothing-here", None)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.7", False), ("", False)],
)
def test_only_loopback_is_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) == own
