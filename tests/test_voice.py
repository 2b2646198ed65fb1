"""What the chat says: worded by templates, and an edited one can change the words but not the facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.explanation.attribution import plain_reason, reason
from agent.generation.realizer import Voice, reply_flaws
from agent.recommender import Recommender
from agent.records.answer import Evidence
from agent.records.constraints import Constraints
from agent.records.conversation import Conversation
from agent.records.state import Event, State
from agent.store.feedback import FeedbackLog
from agent.store.template_serving import ServedTemplates
from agent.store.template_versions import TemplateStore

COMEDIES = State((Event(1, 4.0),), **Constraints(genres=(frozenset({"Comedy"}),), year_min=1990).parts())


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedTemplates]:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        yield ServedTemplates(TemplateStore(log))


def serve(served: ServedTemplates, name: str, old: str, new: str) -> None:
    source = prompts.load(name).source
    assert old in source
    saved = served.store.save(source.replace(old, new), "ann", parent=1)
    served.activate(saved.version.reference, "ann")


@pytest.mark.parametrize(
    ("asked", "found", "state", "examples", "text"),
    [
        (5, 5, COMEDIES, [], "Here are five comedies from 1990 or later."),
        (5, 1, COMEDIES, [], "I know only one comedy from 1990 or later."),
        (5, 2, State(), ["Alien", "Heat"], "I know only two films, close to “Alien” and “Heat”."),
        (1, 1, State(request="x"), [], "Here is one film that your words point to."),
        (5, 5, State((Event(1),)), [], "Here are five films for your taste."),
        (5, 5, State(), [], "Here are five films that many people like."),
        (5, 0, COMEDIES, [], "I know no comedies from 1990 or later that you have not seen. Take one of your conditions"
         " back and I will look again."),
        (1, 1, State(hints=("short", "sad")), [],
         "Here is one film that many people like. My data cannot check “short” and “sad”: I took them as hints only."),
    ],
)  # fmt: skip
def test_the_products_own_replies(
    catalogue: Catalogue, asked: int, found: int, state: State, examples: list[str], text: str
) -> None:
    assert Voice(catalogue).found(asked, found, state, examples) == text


def test_small_talk_and_questions(catalogue: Catalogue) -> None:
    voice = Voice(catalogue)
    assert voice.which("Hamlet", ["Hamlet (1948)", "Hamlet (1996)"]) == (
        "Which “Hamlet” do you mean: Hamlet (1948) or Hamlet (1996)?"
    )
    assert voice.taken("Hamlet", "Hamlet (1996)") == "I took “Hamlet” to be Hamlet (1996)."
    assert voice.small_talk("greeting").startswith("Hello! I know 1,682 films from 1922 to 1998. Tell me")
    assert voice.small_talk("thanks").startswith("You are welcome.")
    assert voice.small_talk("reset").startswith("All conditions are gone.")


def test_an_edited_reply_serves(catalogue: Catalogue, served: ServedTemplates) -> None:
    serve(served, "reply", "Here are", "My picks are")
    voice = Voice(catalogue, served, "c")
    assert voice.found(5, 5, COMEDIES, []) == "My picks are five comedies from 1990 or later."
    served.roll_back("reply", "ann")
    assert voice.found(5, 5, COMEDIES, []) == "Here are five comedies from 1990 or later."


@pytest.mark.parametrize(
    "wrong",
    [
        "Here are seven", "Here are 12", "The best thrillers: ", "As good as “Casablanca”:", "{{ 1 // 0 }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    ],
)  # fmt: skip
def test_an_edited_reply_cannot_state_what_is_not_so(catalogue: Catalogue, served: ServedTemplates, wrong: str) -> None:
    # Where no example of the front matter gets: those are rendered when it is saved.
    serve(served, "reply", "I know no {{ wish }}", "{% if asked == 7 %}" + wrong + "{% endif %} I know no {{ wish }}")
    text = Voice(catalogue, served, "c").found(7, 0, COMEDIES, [])
    assert text == Voice(catalogue).found(7, 0, COMEDIES, [])


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("“Alien” is a horror film and a comedy from 1979.", "genre Comedy"),
        ("“Alien” is a horror film from 1980.", "number 1980"),
        ("“Aliens” is a horror film from 1979.", "title “Aliens”"),
        ("“Alien” is a horror film by Ridley Scott.", "name Ridley"),
        ("“Alien” is one of five horror films.", "number five"),
    ],
)
def test_answers_about_films_are_held_to_their_facts(catalogue: Catalogue, text: str, flaw: str) -> None:
    facts = {"kind": "item", "title": "Alien", "kinds": ["a horror film"], "year": 1979}
    assert reply_flaws(Voice(catalogue).tell(**facts), facts, catalogue) == []
    assert flaw in reply_flaws(text, facts, catalogue)


def test_a_title_proves_nothing_but_itself(catalogue: Catalogue) -> None:
    facts = {"kind": "item_stars", "title": "2001: A Space Western", "stars": "4", "viewers": 7}
    assert reply_flaws("7 viewers give “2001: A Space Western” 4 stars.", facts, catalogue) == []
    assert reply_flaws("2001 viewers like this western.", facts, catalogue) == ["number 2001", "genre Western"]


def test_the_check_of_replies_accepts_what_it_was_told(catalogue: Catalogue) -> None:
    facts = {
        "wish": "comedies from 1990",
        "found": 5,
        "number": "five",
        "examples": ["Seven (Se7en)"],
        "count": "1,682",
    }
    assert reply_flaws("Five of 1,682: 5 comedies from 1990, like “Seven (Se7en)”.", facts, catalogue) == []
    assert reply_flaws("Six films from 1991.", facts, catalogue) == ["number 1991", "number six"]


def test_edited_reasons_state_only_the_evidence(catalogue: Catalogue, served: ServedTemplates) -> None:
    item = next(item for item in catalogue.items if item.categories == ("Comedy",))
    other = next(other for other in catalogue.items if other.index != item.index)
    facts = (Evidence("history", 0.3, other.item_id, 5.0), Evidence("rating", 0.0, value=4.0))
    own = f"Picked because you liked “{other.title}”."
    assert reason(item, facts, catalogue) == own
    serve(served, "explanation", "Picked because you liked", "Since you loved")
    edited = Voice(catalogue, served, "c").explanation
    assert reason(item, facts, catalogue, edited) == f"Since you loved “{other.title}”."
    for wrong in ("A horror film.", "Chosen by 99 critics.", "{{ 1 // 0 }}"):
        served.roll_back("explanation", "ann")
        trap = "{% if loved|length == 1 %}" + wrong + "{% endif %}"
        serve(served, "explanation", "{% if loved %}", trap + "{% if loved %}")
        assert reason(item, facts, catalogue, Voice(catalogue, served, "c").explanation) == own
    assert reason(item, (), catalogue) == plain_reason(item)


def test_titles_with_brackets_keep_their_reason(catalogue: Catalogue) -> None:
    item = catalogue.items[0]
    odd = replace(catalogue.items[1], title="[REC] <3")
    facts = (Evidence("history", 0.3, odd.item_id, 5.0),)
    items = list(catalogue.items)
    items[1] = odd

    class Odd(Catalogue):
        def __init__(self) -> None:
            self.__dict__.update(catalogue.__dict__)
            self.items = tuple(items)

    assert reason(item, facts, Odd()) == "Picked because you liked “(REC) <3”."


def test_the_chat_speaks_through_the_active_templates(recommender: Recommender, tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        chat = Recommender(recommender.catalogue, recommender.policy, {}, log)
        assert chat.templates is not None
        serve(chat.templates, "reply", "Hello!", "Good evening!")
        answer = chat.reply(Conversation(id="c"), "hello")
        assert answer.reply.startswith("Good evening! I know 1,682 films")
        assert recommender.recommend(ask="hello").reply != answer.reply
