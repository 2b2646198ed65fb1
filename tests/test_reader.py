"""Messages are read as dialogue acts."""

from __future__ import annotations

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset
from agent.records.acts import Ask, Command, Judge, NotUnderstood, Pleasantry, Want
from agent.understanding.reader import understand
from agent.understanding.reading import Context


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
