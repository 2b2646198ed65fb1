"""Simulation: conversations of simulated people with the recommender, and what went well or wrong in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import load_dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.policy.loading import BEFORE_PPO, RELEASED, Foundation
from agent.recommender import Recommender
from agent.records.answer import Answer
from agent.records.conversation import Conversation
from eval.conversation.simulated_user import Persona, SimulatedUser, personas
from eval.metrics import Interval, cluster_bootstrap
from training.progress import Progress
from training.splits import past_and_future

LIMIT = 5
"""Turns that a person has patience for."""


@dataclass(frozen=True, slots=True)
class SimulationRun:
    """What is asked: so many ``people`` on a data set, with an adapter (None: the released one).

    Without ``lm`` the only row is the policy without the language model.
    """

    data: str
    people: int
    model: str | None = None
    adapter: Path | None = None
    lm: bool = True
    seed: int = 0
    limit: int = LIMIT


@dataclass(slots=True)
class Tally:
    """What happened in one conversation: turns taken, whether an item was taken, and what must not happen."""

    user: str
    turns: int = 0
    success: bool = False
    violations: int = 0
    repeated: int = 0
    unknown: int = 0
    crashes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """One recommender's figures over all conversations.

    ``figures`` are means with intervals that draw whole users: success within the limit, turns to success (of the
    successful), and the shares of turns that broke a condition that was said, or brought back an item that was refused,
    seen or liked before. The counts are over all turns; ``crashes`` is how many turns failed, ``errors`` how.
    """

    name: str
    figures: Mapping[str, Interval]
    turns: int
    violations: int
    repeated: int
    unknown: int
    crashes: int
    errors: tuple[str, ...]
    limit: int

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)


def simulate(run: SimulationRun, report: Progress) -> list[SimulationResult]:
    """Dialogue: the same people with the policy whole, and with one part left out.

    Left out are the language model, the ranker of conversations (without the LM), and PPO.

    The recommender knows the past (the first 80 % of each user's ratings); people take items of the rest.

    Raises:
        AssetError, ValueError: something is missing or does not fit; the message names it and the fix.
    """
    dataset = load_dataset(run.data)
    cut = past_and_future(indexed_ratings(dataset))
    known = dataset.only(cut.past)
    report("loading", 0, 1)
    foundation = Foundation.of(known)
    catalogue = foundation.catalogue
    people = personas(user_histories(cut.past), user_histories(cut.future), catalogue, run.people, run.seed)
    whole = foundation.policy(run.adapter or RELEASED, run.model)
    policies = [("concierge without the LM", whole.without_lm())]
    if whole.conversational is not None:
        policies.append(("the same without the ranker of conversations", whole.without_lm().without_conversational()))
    if run.lm:
        before = foundation.policy(BEFORE_PPO, run.model)
        policies = [("concierge", whole), *policies, ("concierge without PPO", before)]
    report("loading", 1, 1)
    results = []
    for name, policy in policies:
        recommender = Recommender(catalogue, policy, {}, seed=run.seed)
        tallies = []
        for number, persona in enumerate(people):
            tallies.append(converse(recommender, persona, run.limit, np.random.default_rng([run.seed, number])))
            report(name, number + 1, len(people))
        results.append(summary(name, tallies, run.limit, run.seed))
    return results


def converse(recommender: Recommender, persona: Persona, limit: int, rng: np.random.Generator) -> Tally:
    """One conversation, until an item is taken or the person's patience ends."""
    catalogue = recommender.catalogue
    user = SimulatedUser(persona, catalogue, rng)
    conversation = Conversation()
    tally = Tally(persona.user)
    message: str | None = user.opening()
    while message is not None and tally.turns < limit:
        barred = frozenset(user.told)
        tally.turns += 1
        try:
            answer = recommender.reply(conversation, message)
        except Exception as error:  # whatever fails is what is looked for here
            tally.crashes.append(f"{type(error).__name__}: {error} (on {message!r})")
            return tally
        judge(answer, persona, barred, catalogue, tally)
        message = user.reply(answer)
    tally.success = user.accepted is not None
    return tally


def judge(answer: Answer, persona: Persona, barred: frozenset[int], catalogue: Catalogue, tally: Tally) -> None:
    """Count what must not happen in a slate; a condition that was openly relaxed is not broken."""
    for item in answer.items:
        if item.item_id not in catalogue:
            tally.unknown += 1
            continue
        tally.violations += not answer.unmet and not persona.allows(item)
        tally.repeated += catalogue.index(item.item_id) in barred


def summary(name: str, tallies: Sequence[Tally], limit: int, seed: int = 0) -> SimulationResult:
    """The figures of many conversations.

    Raises:
        ValueError: there are none.
    """
    users = [own.user for own in tallies]

    def mean(values: Sequence[float], of: Sequence[str]) -> Interval:
        return cluster_bootstrap(np.array(values, dtype=np.float64), of, seed=seed)

    done = [own for own in tallies if own.success]
    figures = {f"success within {limit}": mean([own.success for own in tallies], users)}
    if done:
        figures["turns to success"] = mean([own.turns for own in done], [own.user for own in done])
    figures["violations a turn"] = mean([own.violations / own.turns for own in tallies], users)
    figures["repeated a turn"] = mean([own.repeated / own.turns for own in tallies], users)
    errors = [text for own in tallies for text in own.crashes]
    return SimulationResult(
        name,
        figures,
        sum(own.turns for own in tallies),
        sum(own.violations for own in tallies),
        sum(own.repeated for own in tallies),
        sum(own.unknown for own in tallies),
        len(errors),
        tuple(dict.fromkeys(errors))[:20],
        limit,
    )
