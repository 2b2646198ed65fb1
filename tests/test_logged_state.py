"""What the log keeps of a turn is enough to ask a policy the same question again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.catalogue.lookup import RequestError
from agent.dialogue.slate import EXPLORATION
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.records.impression import Impression
from agent.store.feedback import FeedbackLog
from agent.store.logged_state import logged_state
from agent.store.migration import migrate, shipped_migrations
from tests.chat_log import pasts_of
from tests.feedback_writer import feedback_event


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path / "concierge.db") as log:
        yield log


def _chat(
    recommender: Recommender, log: FeedbackLog, explore: bool = True, user: str | None = "196"
) -> list[Impression]:
    chat = Recommender(recommender.catalogue, recommender.policy, pasts_of(recommender), log, explore=explore, seed=1)
    conversation = Conversation(user=user)
    chat.reply(conversation, "something like Alien but funny")
    shown = conversation.shown[0]
    chat.react(conversation, shown, "liked")
    chat.reply(conversation, "more of those")
    return list(log.impressions())


@pytest.mark.parametrize("user", ["196", None])
def test_the_logged_state_gives_the_logged_probabilities_again(
    recommender: Recommender, log: FeedbackLog, user: str | None
) -> None:
    impressions = _chat(recommender, log, user=user)
    for impression in impressions:
        logged = logged_state(impression, recommender.catalogue)
        assert logged.exact and (logged.state.spoken is None) == (user is not None)
        candidates = [recommender.catalogue.index(item) for item in impression.candidates]
        ranking = recommender.policy.rank(logged.state, candidates)
        again = replace(ranking, temperature=recommender.policy.temperature * EXPLORATION).probabilities
        assert np.abs(again - np.array(impression.candidate_propensities)).max() < 1e-6
        first = impression.candidates.index(impression.slate[0])
        assert impression.propensities[0] == pytest.approx(again[first], rel=1e-4)
    second = logged_state(impressions[1], recommender.catalogue)
    # What was shown is left out, and what the slate set aside.
    assert {recommender.catalogue[index].item_id for index in second.left_out} >= set(impressions[0].slate[1:])
    assert second.state.history[-1].item == recommender.catalogue.index(impressions[0].slate[0])


def test_a_log_that_drew_nothing_has_no_distribution(recommender: Recommender, log: FeedbackLog) -> None:
    assert all(i.candidate_propensities is None and i.state is not None for i in _chat(recommender, log, explore=False))


def test_a_row_of_an_older_version_is_rebuilt_from_the_users_past(recommender: Recommender, log: FeedbackLog) -> None:
    impression = replace(_chat(recommender, log)[0], state=None)
    histories = {user: recommender.history(user) for user in ("196",)}
    logged = logged_state(impression, recommender.catalogue, histories)
    assert not logged.exact
    assert logged.state.history == recommender.history("196")
    assert (logged.state.request, logged.state.like) == (impression.request, ())
    with pytest.raises(RequestError, match=f"impression '{impression.id}': field 'user': no past of user '196'"):
        logged_state(impression, recommender.catalogue)


def test_a_broken_state_names_the_impression_and_the_field(recommender: Recommender, log: FeedbackLog) -> None:
    impression = _chat(recommender, log)[0]
    assert impression.state is not None
    for state, message in (
        ({**impression.state, "like": ["nowhere"]}, "no item 'nowhere'"),
        ({**impression.state, "mood": 1}, "field 'state' lacks or does not know 'mood'"),
        ({**impression.state, "goal": "win"}, "goal 'win'"),
        ({**impression.state, "history": [{"item": "1", "rating": 9}]}, "rating 9 of item '1'"),
    ):
        with pytest.raises(RequestError, match=f"impression '{impression.id}'.*{message}"):
            logged_state(replace(impression, state=state), recommender.catalogue)


def test_rows_written_before_have_neither_field(tmp_path: Path, log: FeedbackLog) -> None:
    impression = feedback_event("someone", 0)
    assert isinstance(impression, Impression)
    log.record_impression(impression)
    with sqlite3.connect(log.path) as connection:
        assert connection.execute("SELECT state, candidate_propensities FROM impression").fetchone() == (None, None)
    assert list(log.impressions()) == [impression]
    assert log.export(tmp_path / "log.jsonl") == 1
    line = json.loads((tmp_path / "log.jsonl").read_text())
    assert line["state"] is None and line["candidate_propensities"] is None


def test_a_database_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    from agent.store.database import open_engine

    path = tmp_path / "old.db"
    engine = open_engine(path)
    migrate(engine, shipped_migrations()[:1])
    engine.dispose()
    impression = feedback_event("someone", 0)
    assert isinstance(impression, Impression)
    given = replace(
        impression, state={"goal": "next"}, candidates=impression.slate, candidate_propensities=(0.4, 0.2, 0.4)
    )
    with FeedbackLog(path) as log:
        log.record_impression(given)
        assert list(log.impressions()) == [given]


@pytest.mark.parametrize(
    ("propensities", "message"),
    [
        ((0.5, 0.5), "2 candidate_propensities for 3 candidates"),
        ((0.5, 0.6, -0.1), "candidate_propensities hold -0.1 for item '1'"),
        ((0.5, 0.3, 0.1), "candidate_propensities sum to 0.9"),
    ],
)
def test_a_distribution_that_is_none_is_refused(propensities: tuple[float, ...], message: str) -> None:
    impression = feedback_event("someone", 0)
    assert isinstance(impression, Impression)
    with pytest.raises(ValueError, match=message):
        replace(impression, candidates=impression.slate, candidate_propensities=propensities)
