"""Asking: does a question back raise the chance that the slate holds a film that the user liked later?

A simulated user has one film in mind, drawn from what a held-out user liked later, and answers truthfully: with the
quick reply that the film meets (one at random of several), else with "surprise me". The question is judged against
doing without: the slate after the answer against the first slate (``rise``), and against a plain "show me more"
(``against_more``), which costs the person as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from agent.dialogue.clarifying import SURPRISE, Candidate, Worth, questions, worth
from agent.dialogue.dialogue_state import absorb
from agent.explanation.counterfactual import MORE, Standing
from agent.records.conversation import Conversation, Message
from agent.understanding.parser import understand
from eval.conversation.held_out import HeldOut
from eval.resampling import UserBootstrap, ratio
from training.progress import Progress, silent

OPEN = "What should I watch?"
BINS = (0.0, 0.05, 0.1, 0.15, 0.2, 1.0)
"""Borders of the expected gain between which questions are put together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to one user: what it was expected to bring, and whether the film was in the slate.

    ``before`` of the first slate, ``after`` of the one that follows the answer, ``more`` of the one that follows a
    plain "show me more". ``best`` marks the question that would have been asked.
    """

    user: str
    past: bool
    aspect: str
    gain: float
    information: float
    best: bool
    before: bool
    after: bool
    more: bool


def ask_users(held_out: HeldOut, users: Sequence[str], k: int = 5, report: Progress = silent) -> list[Asked]:
    """The best question of every aspect, put to each user with their past and without it."""
    found = []
    for done, user in enumerate(users, 1):
        for past in (True, False):
            found += _ask(held_out, user, past, k)
        report("questions", done, len(users))
    return found


def summary(asked: Sequence[Asked], seed: int = 0) -> dict[str, Any]:
    """Figures by aspect and by expected gain, for users with a past and without, with 95 % intervals over users."""
    best = [row for row in asked if row.best]
    rows: dict[str, list[Asked]] = {}
    for name, past in (("past", True), ("no past", False)):
        rows[f"best question, {name}"] = [row for row in best if row.past == past]
        for aspect in ("genre", "time", "known"):
            rows[f"{aspect}, {name}"] = [row for row in asked if row.aspect == aspect and row.past == past]
    for low, high in pairwise(BINS):
        rows[f"expected gain {low:g} to {high:g}"] = [row for row in asked if low <= row.gain < high]
    return {name: _figures(own, seed) for name, own in rows.items() if own}


def _ask(held_out: HeldOut, user: str, past: bool, k: int) -> list[Asked]:
    catalogue, policy = held_out.catalogue, held_out.recommender.policy
    rng = np.random.default_rng([held_out.seed, *user.encode()])
    target = int(rng.choice(held_out.liked_later(user)))
    conversation = Conversation(user=user if past else None)
    conversation.messages.append(Message("user", OPEN))
    absorb(conversation, OPEN, understand(OPEN, catalogue), catalogue)
    standing = Standing(conversation, held_out.past[user] if past else (), policy, catalogue, k)
    state = standing.state
    ranking = policy.rank(state, np.flatnonzero(catalogue.mask(state.constraints, left_out=state.seen)))
    slate = ranking.slate(k).items
    conversation.shown = [catalogue[index].item_id for index in slate]
    best: dict[str, Worth] = {}
    for own in questions(state.constraints, ranking, catalogue, slate):
        value = worth(own, ranking.probabilities, k)
        if own.aspect not in best or value.gain > best[own.aspect].gain:
            best[own.aspect] = value
    if not best:
        return []
    row = int(np.flatnonzero(ranking.candidates == target)[0])
    answers = [_answer(value.question, row, rng) for value in best.values()]
    # "Less known" compares with what is shown, so the slate stands in the conversation as in a real turn.
    places = standing.places(target, [standing.after(answer, slate) for answer in (*answers, MORE)])
    hits = [place is not None and place < k for place in places]
    top = max(best.values(), key=lambda value: (value.gain, value.information))
    return [
        Asked(user, past, aspect, value.gain, value.information, value is top, target in slate, hits[order], hits[-1])
        for order, (aspect, value) in enumerate(best.items())
    ]


def _answer(question: Candidate, row: int, rng: np.random.Generator) -> str:
    fitting = np.flatnonzero(question.likelihood[:, row] > 0)
    return question.choices[int(rng.choice(fitting))] if fitting.size else SURPRISE


def _figures(rows: Sequence[Asked], seed: int) -> dict[str, Any]:
    draws = UserBootstrap([row.user for row in rows], seed=seed)
    columns = [np.array([getattr(row, name) for row in rows], dtype=np.float64) for name in ("before", "after", "more")]
    sums = draws.by_user(*columns, np.ones(len(rows)))
    before, after, more = (ratio(sums[:, place], sums[:, 3]) for place in range(3))
    rise, against = draws.difference(after, before), draws.difference(after, more)
    return {
        "questions": len(rows),
        "expected_gain": float(np.mean([row.gain for row in rows])),
        "hit_before": draws.value(before),
        "hit_after": draws.value(after),
        "hit_more": draws.value(more),
        "rise": rise.mean,
        "rise_ci": [rise.low, rise.high],
        "against_more": against.mean,
        "against_more_ci": [against.low, against.high],
    }
