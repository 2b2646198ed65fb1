"""The loop with simulated people: the circle closed without anybody, against a twin that never learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.data.dataset import load_dataset
from agent.data.interactions import indexed_ratings
from agent.policy.loading import Foundation, registry
from agent.policy.serving import ActivePolicy
from agent.recommender import Recommender
from agent.store.feedback import FeedbackLog
from agent.store.loop_rounds import LoopRound
from eval.loop.population import Population, PopulationSettings, visit
from eval.loop.rounds import Loop, LoopSettings
from eval.protocols.requests import user_part
from training.ppo.feedback import Ground
from training.progress import Progress, silent

LOG_FILE = "feedback.db"


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is simulated: so many ``conversations`` a round over a data set, half of them with the frozen twin.

    The features are fitted on the users of the test half (:func:`eval.protocols.requests.user_part`), the people on
    those of the other. ``with_lm``: the policy whole, or without its LM.
    """

    data: str = "films"
    conversations: int = 1000
    people: PopulationSettings = field(default_factory=PopulationSettings)
    with_lm: bool = True
    model: str | None = None
    seed: int = 0


def simulated_ground(run: Simulation, home: Path) -> tuple[Ground, Population]:
    """The policy's side, with a registry of its own in ``home``, and the people."""
    dataset = load_dataset(run.data)
    ratings = indexed_ratings(dataset)
    held_out = ratings["user"].astype(str).map(lambda user: user_part(user) == "valid").to_numpy()
    foundation = Foundation.of(dataset.only(ratings[~held_out]))
    population = Population(ratings[held_out], foundation.catalogue, run.people, run.seed)
    return Ground(dataset, foundation, registry(run.data, home / "adapters"), run.model, run.with_lm), population


def simulate(
    run: Simulation,
    rounds: int,
    output: Path,
    settings: LoopSettings | None = None,
    report: Progress = silent,
    told: Callable[[LoopRound], None] = lambda own: None,
) -> list[LoopRound]:
    """``rounds`` rounds in all, those that ``output`` holds already included; ``told`` is given each as it ends."""
    ground, population = simulated_ground(run, output)
    settings = settings or LoopSettings(keep_control=True, rated=False)
    with FeedbackLog(output / LOG_FILE) as log:
        source = ActivePolicy(ground.registry.active, ground.policy, experiment=ground.registry.experiment)
        recommender = Recommender(ground.foundation.catalogue, source, {}, log, explore=True, seed=run.seed)
        loop = Loop(log, ground, settings, output / "runs", report)

        def serve(own: LoopRound) -> None:
            number = len([other for other in loop.rounds.all() if other.phase == "done"])
            for k in range(run.conversations):
                visitor = population.visitor(number, k)
                if log.load_conversation(visitor.id) is None:
                    visit(recommender, visitor, run.people, (run.seed, 3, number, k))
                report(f"round {number + 1}: conversations", k + 1, run.conversations)

        while len(done := [own for own in loop.rounds.all() if own.phase == "done"]) < rounds:
            told(loop.round(serve))
        return done
