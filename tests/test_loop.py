"""The loop: rounds over simulated people, each written down, resumed where it broke off, refused where it must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.policy.loading import Foundation, registry
from agent.policy.serving import ActivePolicy
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.records.impression import Outcome
from agent.store.feedback import FeedbackLog
from agent.store.loop_rounds import LoopRound
from eval.loop.picture import PictureError, write_picture
from eval.loop.population import Population, PopulationSettings, visit
from eval.loop.rounds import CHEAP, Loop, LoopSettings
from tests.test_log_guards import ITEMS, slate
from training.ppo.feedback import FeedbackSettings, Ground
from training.ppo.propensities import check_propensities
from ui.cli.main import app

PEOPLE = PopulationSettings(limit=2)
CONVERSATIONS = 24
SETTINGS = LoopSettings(
    keep_control=True, rated=False, held_out=0.4, feedback=FeedbackSettings(holdout=0.0, least=10, passes=2, ppo=CHEAP)
)


@pytest.fixture(scope="module")
def population(dataset: Dataset, recommender: Recommender) -> Population:
    return Population(indexed_ratings(dataset).iloc[:30_000], recommender.catalogue, PEOPLE, seed=1)


@pytest.fixture
def ground(dataset: Dataset, tmp_path: Path) -> Ground:
    return Ground(dataset, Foundation.of(dataset), registry(dataset.name, tmp_path / "adapters"), with_lm=False)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FeedbackLog]:
    with FeedbackLog(tmp_path / "feedback.db") as log:
        yield log


class People:
    """Serves a round; can break off once."""

    def __init__(self, log: FeedbackLog, ground: Ground, population: Population) -> None:
        source = ActivePolicy(ground.registry.active, ground.policy, experiment=ground.registry.experiment)
        self.recommender = Recommender(ground.foundation.catalogue, source, {}, log, explore=True, seed=0)
        self.log, self.population, self.broken = log, population, False

    def __call__(self, own: LoopRound) -> None:
        for k in range(CONVERSATIONS):
            if self.broken and k == 3:
                self.broken = False
                raise KeyboardInterrupt
            visitor = self.population.visitor(own.number, k)
            if self.log.load_conversation(visitor.id) is None:
                visit(self.recommender, visitor, PEOPLE, (own.number, k))


def test_people_are_the_same_whoever_recommends(population: Population) -> None:
    one, again, later = population.visitor(0, 5), population.visitor(0, 5), population.visitor(9, 5)
    assert one.persona == again.persona and (one.likes == again.likes).all()
    assert 0.005 < one.likes.mean() < 0.5 and later.id != one.id
    assert abs(population.worth(9) - population.worth(0)).max() > 0.3 and not population.worth(0).any()
    with pytest.raises(ValueError, match="season 2"):
        PopulationSettings(season=2)


def test_rounds_are_written_down_and_go_on_where_they_broke_off(
    log: FeedbackLog, ground: Ground, population: Population, tmp_path: Path
) -> None:
    people = People(log, ground, population)
    loop = Loop(log, ground, SETTINGS, tmp_path / "runs")
    with pytest.raises(PictureError, match="no round"):
        write_picture(loop.rounds.all(), tmp_path / "loop.svg")
    people.broken = True
    with pytest.raises(KeyboardInterrupt):
        loop.round(people)
    assert [own.phase for own in loop.rounds.all()] == ["serving"]
    own = loop.round(people)
    document = own.document
    assert own.number == 1 and own.phase == "done" and own.ended is not None
    assert document["served"]["round"]["arms"][0]["people"] == CONVERSATIONS
    made = document["trained"]["candidate"]
    assert made == "feedback-1" and document["decision"] in ("serves a share", "refused") and document["why"]
    # What serves strangers was trained: the weights of the ranker of conversations.
    trained, before = ground.policy(made).conversational, ground.policy(ground.registry.active()).conversational
    assert trained is not None and before is not None
    assert trained.ranker.weights != before.ranker.weights and trained.ranker.chat.expected
    if document["decision"] == "serves a share":
        running = ground.registry.experiment()
        assert running is not None and running.challenger == document["candidate"]
    else:
        ground.registry.begin_experiment(made)
    second = loop.round(people)
    arms = second.document["served"]["round"]["arms"]
    assert sum(arm["people"] for arm in arms) == CONVERSATIONS and len(arms) == 2
    # Every logged chance is given again by whichever version served, in any batch.
    for batch in (1, 32):
        found = check_propensities(log, ground, batch=batch)
        assert found.checked > CONVERSATIONS and found.wrong == () and found.largest < 1e-4
    assert write_picture(loop.rounds.all(), tmp_path / "loop.svg").stat().st_size > 1000
    shown = CliRunner().invoke(app, ["loop", "status", "--where", str(tmp_path), "--data", "ml-100k", "--json"])
    assert [own["phase"] for own in json.loads(shown.output)["rounds"]] == ["done", "done"]


def test_a_poisoned_round_trains_nothing(
    log: FeedbackLog, ground: Ground, population: Population, tmp_path: Path
) -> None:
    people = People(log, ground, population)

    def poisoned(own: LoopRound) -> None:
        """Every conversation is a program that takes up the same item or, where it is not shown, does nothing."""
        for k in range(30):
            visitor = population.visitor(own.number, k)
            people.recommender.reply(Conversation(visitor.id), "a comedy")
        target = next(log.impressions()).slate[0]
        for shown in log.impressions():
            if target in shown.slate:
                log.record_outcome(
                    Outcome(impression_id=shown.id, conversation_id=shown.conversation_id, item_id=target, kind="liked")
                )

    own = Loop(log, ground, SETTINGS, tmp_path / "runs").round(poisoned)
    assert own.document["decision"] == "refused" and "people are left" in own.document["why"]
    assert ground.registry.experiment() is None and ground.registry.active() == "ppo"


def test_a_version_that_loses_is_rolled_back(log: FeedbackLog, ground: Ground, tmp_path: Path) -> None:
    known = ground.registry
    other = next(entry.version for entry in known.entries() if entry.version != known.active())
    running, rng = known.begin_experiment(other), np.random.default_rng(0)
    for person in range(200):
        who = f"person-{person}"
        items = tuple(ITEMS[k] for k in rng.choice(len(ITEMS), 4, replace=False))
        taken = items[: person % 2] if running.serves(who) == other else items[: 1 + person % 2]
        own = slate(who, 0, items, dict.fromkeys(taken, "liked"))
        later = replace(own.impression, timestamp=running.began + person, policy=running.serves(who))
        log.record_impression(later)
        for outcome in own.outcomes:
            log.record_outcome(outcome)
    own_round = Loop(log, ground, SETTINGS, tmp_path / "runs").round(lambda own: None)
    assert known.experiment() is None and known.active() == running.control
    assert "is rolled back" in own_round.document["trained"]["stopped"]


def test_settings_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="share 1"):
        LoopSettings(share=1.0)
    outcome = CliRunner().invoke(app, ["loop", "--every", "soon", "--dry-run"])
    assert outcome.exit_code == 2 and "12h" in outcome.output
