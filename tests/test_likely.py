"""What a person has most likely had is told from the words around an item, and stays apart from what they said."""

from __future__ import annotations

import pytest

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import Dataset, load_dataset
from agent.dialogue.state import fold
from agent.records.acts import Judge
from agent.records.conversation import Conversation, Said
from agent.understanding.likely import clues_of, surest
from agent.understanding.reader import understand
from agent.understanding.reading import Context
from training.likely import LikelySettings, Told, fit_likely


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


def _chance(catalogue: Catalogue, said: str, message: str) -> float:
    item = catalogue.link(said)[0].options[0]
    reading = understand(message, Context(said=said, offered=(item,), spoken=(item,), begun=True), catalogue)
    return dict(reading.likely)[item]


def test_answers_tell_whether_the_other_sides_film_was_seen(catalogue: Catalogue) -> None:
    seen = _chance(catalogue, "Have you seen Fargo (1996)?", "haha yes, such a great movie, a classic")
    new = _chance(catalogue, "You might like Fargo (1996)", "I have never even heard of that, what is it about?")
    assert new < 0.5 < seen


def test_a_verdict_is_a_fact_and_what_is_likely_is_kept_apart(catalogue: Catalogue) -> None:
    item = catalogue.link("Fargo (1996)")[0].options[0]
    ids = {item: catalogue[item].item_id}
    events = [Said("hm", likely=((item, 0.9),), ids=ids), Said("hm", likely=((item, 0.6),), ids=ids)]
    state = fold(events, catalogue)
    assert state.likely == {item: 0.9} and not state.judgements, "the surest word stands"
    conversation = Conversation(events=[*events])
    assert Conversation.from_json(conversation.to_json()) == conversation
    assert surest(0.6, 0.1) == 0.1 and surest(None, 0.5) == 0.5


def test_a_domain_without_the_file_guesses_nothing() -> None:
    goods = Catalogue(load_dataset("ml-100k"))
    goods.domain = goods.domain.model_copy(update={"folder": goods.domain.folder / "nowhere"})
    assert understand("I loved Fargo", Context(), goods).likely == ()


def test_the_fit_finds_what_the_messages_say(catalogue: Catalogue) -> None:
    item = catalogue.link("Fargo (1996)")[0].options[0]
    context = Context(said="Fargo (1996)?", offered=(item,))
    rows = []
    for message, had in (("a classic, watched it twice", True), ("what is that about", False)):
        clues = clues_of(message, context, (), (Judge(item, "seen"),) if had else (), catalogue)[item]
        rows += [Told(clues, had)] * 6
    fitted = fit_likely(rows, "made up", LikelySettings(least=2))
    assert fitted.chance(rows[0].clues) > 0.5 > fitted.chance(rows[-1].clues)
    with pytest.raises(ValueError, match="all say the same"):
        fit_likely(rows[:6], "made up")
