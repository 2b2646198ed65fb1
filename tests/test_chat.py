"""The chat's parts without a browser: sessions, words, escaping, accounts."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.dialogue.dialogue_state import forget
from agent.records.answer import Answer, Evidence, Recommendation
from agent.records.constraints import Constraints
from agent.records.conversation import Belief, Conversation, Message
from agent.records.state import Event
from agent.store.feedback import FeedbackLog
from ui.chat import panel, words
from ui.chat.cards import card_html
from ui.chat.session import Desk, Session
from ui.chat.transcript import PIECES, pieces, plain, transcript
from ui.cli.chat import ServeError, is_loopback, read_accounts

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
    facts = (Evidence("genre", 0.4, value=HOSTILE), Evidence("history", -0.2, "7", 5.0), Evidence(HOSTILE, 0.0))
    return Recommendation("7", title, 1979, (HOSTILE, "Horror"), score, 1.0, reason, facts)


def answer(reply: str, *items: Recommendation) -> Answer:
    return Answer(reply, items, {}, "policy", {"name": "state", "version": "1", "hash": "0"}, 1.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        yield log


@pytest.fixture
def desk(log: FeedbackLog, dataset: Dataset) -> Desk:
    return Desk(log, Catalogue(dataset))


def test_everything_from_data_or_people_is_shown_as_text() -> None:
    conversation = Conversation(
        beliefs=[Belief("7", "liked"), Belief("7", "rated", 4.0)],
        constraints=Constraints(genres=(frozenset({HOSTILE}),), excluded=frozenset({3}), unchecked=(HOSTILE,)),
    )
    pages = {
        "card": card_html(1, film(HOSTILE, HOSTILE), 0.5, lambda _: HOSTILE),
        "beliefs": panel.beliefs_html(conversation, lambda _: HOSTILE, lambda _: HOSTILE),
        "choices": panel.choices_html([HOSTILE]),
        "chats": panel.conversations_html([(HOSTILE, HOSTILE)], HOSTILE),
        "history": panel.history_html(HOSTILE, (Event(1, 4.0),), lambda _: HOSTILE),
    }
    for name, page in pages.items():
        seen = Tags(page)
        assert not seen.tags & {"img", "script", "a", "svg", "iframe"}, name
        assert not {attribute for attribute in seen.attributes if attribute.startswith("on")}, name
        assert HOSTILE in seen.text, name


def test_the_chatbot_gets_text_that_opens_no_tag_and_no_entity() -> None:
    assert plain("a < b && c & d") == "a &lt; b && c & d"
    assert plain("&lt;b&gt; &#60; <i>") == "&amp;lt;b&amp;gt; &amp;#60; &lt;i>"
    assert "<" not in plain(HOSTILE)


def test_earlier_answers_keep_their_films_and_the_last_one_has_cards() -> None:
    one = Message("assistant", "Try this.", answer("Try this.", film()))
    conversation = Conversation(messages=[Message("user", "hi"), one, Message("user", "more"), one])
    shown = [row["content"] for row in transcript(conversation)]
    assert shown == ["hi", "Try this.\n· Alien (1979)", "more", "Try this."]
    assert [row["content"] for row in transcript(conversation, partial="Try")][-1] == "Try"
    assert [row["content"] for row in transcript(Conversation(), pending="<x>")] == ["&lt;x>", "…"]


@pytest.mark.parametrize("length", [1, 2, 10, 300])
def test_a_stream_grows_to_the_whole_text_in_few_pieces(length: int) -> None:
    text = " ".join(f"w{n}" for n in range(length))
    parts = list(pieces(text))
    assert all(text.startswith(part) and len(part) < len(text) for part in parts)
    assert parts == sorted(parts, key=len)
    assert len(parts) <= PIECES


def test_evidence_constraints_and_numbers_in_words() -> None:
    def name(item: str) -> str:
        return f"film {item}"

    assert words.sentence(Evidence("history", 0.1, "7", 5.0), name) == "In your history: film 7, 5 stars."
    assert words.sentence(Evidence("history", 0.1, "7"), name) == "In your history: film 7."
    assert words.sentence(Evidence("rating", 0.1, value=4.06), name) == "Viewers give it 4.1 of 5 stars on average."
    assert words.sentence(Evidence("viewers", 0.1, value=1583), name) == "1,583 people in the data rated it."
    assert [words.percent(p) for p in (0.0, 0.004, 0.126, 0.999)] == ["under 1%", "under 1%", "13%", "over 99%"]
    assert words.effect(0.0) == words.effect(float("nan")) == ""
    assert words.effect(0.6931) == "2.0× likelier"
    assert words.effect(-0.6931) == "2.0× less likely"
    wish = Constraints(
        (frozenset({"Comedy", "Romance"}), frozenset({"War"})), frozenset({"Horror"}), 1970, 1979, 4.0, frozenset({2})
    )
    assert words.constraint_chips(wish, lambda index: f"film {index}") == [
        ("genres:Comedy|Romance", "Comedy or Romance"),
        ("genres:War", "War"),
        ("without_genres:Horror", "no Horror"),
        ("year_min", "1970 or later"),
        ("year_max", "1979 or earlier"),
        ("rating_min", "rated 4 or more"),
        ("excluded:2", "not film 2"),
    ]
    assert words.constraint_chips(Constraints(), str) == []
    wish = Constraints(
        (frozenset({"War"}),), without_years=((1980, 1989),), viewers_max=50, tags=("space",),
        unchecked=("tense", "sad"), without_tags=frozenset({"gore"}), soft=frozenset({"War", "space"}),
    )  # fmt: skip
    assert words.constraint_chips(wish, str) == [
        ("genres:War", "War (preferred)"),
        ("without_years:1980-1989", "not from 1980 to 1989"),
        ("viewers_max", "rated by 50 or fewer"),
        ("tags:space", "tagged “space” (preferred)"),
        ("without_tags:gore", "not tagged “gore”"),
        ("unchecked:tense", "can't check: “tense”"),
        ("unchecked:sad", "can't check: “sad”"),
    ]
    conversation = Conversation(constraints=wish)
    for key, _ in words.constraint_chips(wish, str):
        forget(conversation, key)
    assert not conversation.constraints and conversation.constraints.unchecked == ()
    with pytest.raises(KeyError, match="tags:space"):
        forget(conversation, "tags:space")


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
        conversation.messages.append(Message("user", "my secret"))
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
        conversation.messages.append(Message("user", "first"))
        log.save_conversation(conversation)
        raise RuntimeError("half way")
    assert desk.open(session).messages == []
    with desk.turn(session) as conversation:
        conversation.messages.append(Message("user", "kept"))
    with pytest.raises(RuntimeError, match="half way"), desk.turn(session) as conversation:
        conversation.messages.clear()
        log.save_conversation(conversation)
        raise RuntimeError("half way")
    assert [message.content for message in desk.open(session).messages] == ["kept"]


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
