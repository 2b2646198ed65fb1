"""Messages are read as dialogue acts."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.domains.domain import Facet
from agent.records.acts import Ask, Command, Judge, Later, NotUnderstood, Pleasantry, Want, WhichItem
from agent.understanding.amounts import AmountReader
from agent.understanding.reader import understand
from agent.understanding.reading import Context, OpenQuestion
from tests.reading_share import read_rows, shares


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


def _item(catalogue: Catalogue, name: str) -> int:
    return next(item.index for item in catalogue.items if item.name == name)


def test_a_wish_becomes_conditions(catalogue: Catalogue) -> None:
    (act,) = understand("a comedy from the 80s, no musicals", Context(), catalogue).acts
    assert isinstance(act, Want) and act.opens_topic
    found = {(own.facet, own.op, own.value) for own in act.conditions}
    assert found == {
        ("genre", "is", ("Comedy",)),
        ("genre", "is_not", ("Musical",)),
        ("year", "between", (1980, 1989)),
    }


def test_several_acts_in_one_message(catalogue: Catalogue) -> None:
    acts = understand("Casablanca she has seen a hundred times; two comedies from the 40s", Context(), catalogue).acts
    judge, want = acts
    assert judge == Judge(_item(catalogue, "Casablanca (1942)"), "seen")
    assert isinstance(want, Want) and want.count == 2 and len(want.conditions) == 2


@pytest.mark.parametrize("message", ["is the second one scary?", "who directed the second one?", "what is it about?"])
def test_a_question_is_no_wish(catalogue: Catalogue, message: str) -> None:
    shown = tuple(_item(catalogue, name) for name in ("Alien (1979)", "Fargo (1996)", "Toy Story (1995)"))
    (act,) = understand(message, Context(shown=shown, spoken=shown[1:2], begun=True), catalogue).acts
    assert isinstance(act, Ask) and act.items == shown[1:2]


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Hi, I'm Erica!", Pleasantry),
        ("cool, thanks, I can't wait to see it", Pleasantry),
        ("asdfghjkl", NotUnderstood),
        ("what's the weather like in Paris", NotUnderstood),
        ("undo that", Command),
        ("/restart", Command),
        ("more", Command),
    ],
)
def test_what_changes_no_wish(catalogue: Catalogue, message: str, kind: type) -> None:
    assert [type(act) for act in understand(message, Context(begun=True), catalogue).acts] == [kind]


@pytest.mark.parametrize(
    ("message", "kind", "places"),
    [
        ("put number 1 on my watchlist", "add", [0]),
        ("add the second to my list", "add", [1]),
        ("put the first and the third on my watch list please", "add", [0, 2]),
        ("save that one for later", "add", [2]),
        ("ok add it to my watchlist", "add", [2]),
        ("could you bookmark Fargo", "add", [1]),
        ("add them all to the watchlist", "add", [0, 1, 2]),
        ("take Alien off my list", "remove", [0]),
        ("don't put it on my list", "remove", [2]),
        ("what's on my watchlist?", "show", []),
        ("which ones are on my list?", "show", []),
    ],
)
def test_the_list_for_later_is_kept_in_words(catalogue: Catalogue, message: str, kind: str, places: list[int]) -> None:
    shown = tuple(_item(catalogue, name) for name in ("Alien (1979)", "Fargo (1996)", "Toy Story (1995)"))
    (act,) = understand(message, Context(shown=shown, spoken=shown[2:], begun=True), catalogue).acts
    assert isinstance(act, Later) and act.kind == kind and act.items == tuple(shown[place] for place in places)


@pytest.mark.parametrize("message", ["add a comedy to my list", "add some action", "keep it under two hours"])
def test_a_wish_is_nothing_for_later(catalogue: Catalogue, message: str) -> None:
    acts = understand(message, Context(begun=True), catalogue).acts
    assert any(isinstance(act, Want) for act in acts) and not any(isinstance(act, Later) for act in acts)


@pytest.mark.parametrize("name", ["messages.yaml", "messages_fresh.yaml"])
def test_messages_are_read_as_their_acts(catalogue: Catalogue, name: str) -> None:
    right, misses = shares(catalogue, read_rows(Path(__file__).parent / name))
    found = [hit for hits in right.values() for hit in hits]
    assert sum(found) >= 0.98 * len(found), "\n".join(misses)


@pytest.mark.parametrize(
    ("message", "facet", "op", "value"),
    [
        ("under 95 minutes", "minutes", "at_most", 95),
        ("no longer than two hours", "minutes", "at_most", 120),
        ("between 90 and 120 minutes", "minutes", "between", (90, 120)),
        ("at most £15", "price", "at_most", 15),
        ("a red under 20", "price", "at_most", 20),
        ("for 4 players", "players", "between", (4, 4)),
        ("at least 4 stars", "rating", "at_least", 4),
    ],
)
def test_amounts_of_every_kind(message: str, facet: str, op: str, value: object) -> None:
    facets = [
        Facet(name="minutes", kind="duration", label="length"),
        Facet(name="price", kind="money", unit="£", label="price"),
        Facet(name="players", kind="number", unit="players", label="players"),
        Facet(name="rating", kind="number", label="rating"),
    ]
    (amount,) = AmountReader.of(facets).amounts(message, bytearray(len(message) + 1))
    assert (amount.condition.facet, amount.condition.op, amount.condition.value) == (facet, op, value)


def test_the_answer_to_which_one_keeps_the_verdict(catalogue: Catalogue) -> None:
    (which,) = understand("I hated Sabrina", Context(), catalogue).acts
    assert isinstance(which, WhichItem)
    question = OpenQuestion("which", which)
    for answer in ("Sabrina (1954)", "the older one", "the one from 1954"):
        (act,) = understand(answer, Context(question=question, begun=True), catalogue).acts
        assert act == Judge(_item(catalogue, "Sabrina (1954)"), "disliked")


@pytest.mark.parametrize(
    ("said", "message", "verdict"),
    [
        ("Have you seen Fargo?", "no, I haven't", "not_seen"),
        ("Have you seen Fargo?", "Yes! Loved it", "liked"),
        ("How about Fargo?", "I'll check it out, thanks", "interested"),
        ("Did you like Fargo?", "not really, it was boring", "disliked"),
    ],
)
def test_answers_to_what_was_said(catalogue: Catalogue, said: str, message: str, verdict: str) -> None:
    item = _item(catalogue, "Fargo (1996)")
    context = Context(said=said, offered=(item,), spoken=(item,), begun=True)
    acts = understand(message, context, catalogue).acts
    assert Judge(item, verdict) in acts  # type: ignore[arg-type]


def test_a_new_wish_opens_a_topic_and_a_fragment_refines(catalogue: Catalogue) -> None:
    held = understand("a comedy from the 80s", Context(), catalogue).acts[0]
    assert isinstance(held, Want)
    context = Context(conditions=held.conditions, begun=True)
    for message, opens in (
        ("a horror film", True),
        ("older ones", False),
        ("and no musicals", False),
        ("from the 90s", False),
    ):
        act = understand(message, context, catalogue).acts[-1]
        assert isinstance(act, Want) and act.opens_topic is opens, message


def test_no_text_breaks_the_reader(catalogue: Catalogue) -> None:
    for text in (
        "",
        " ",
        "\x00",
        "😀" * 50,
        "a" * 5000,
        "((((" * 200,
        "¤ƒ~",
        "I loved " * 400,
        "no not never " * 200,
        "1/0 <b>",
    ):
        assert understand(text, Context(begun=True), catalogue).acts
