"""Target: the policy whose value is asked for, by the log's own columns or by asking it again at every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.lookup import RequestError, item_index
from agent.data.rows import RowError
from agent.dialogue.slate import EXPLORATION, one_edition, shortlist
from agent.policy.distribution import Policy, Ranking
from agent.records.state import Event
from agent.store.logged_state import LoggedState, logged_state
from eval.off_policy.log import LoggedSlate
from eval.off_policy.plackett_luce import conditionals
from eval.off_policy.samples import TargetProbabilities, slate_places

_BATCH = 16


@dataclass(frozen=True)
class PolicyTarget:
    """A policy of our own that is asked again: what would it have shown at each row of the log?

    It chooses as the chat does (:func:`agent.dialogue.slate.choose`): among its own best items of all that the row's
    constraints allow, drawn at ``temperature`` (None: the chat's own, the policy's times ``EXPLORATION``), or with
    ``draws=False`` the most probable items. ``histories`` maps the data set's users to their events, for rows that
    hold no state. ``among_logged``: it chooses among the row's own candidates instead, a tenth of the work; what it
    would have brought in from outside is then left out of account.
    """

    policy: Policy
    catalogue: Catalogue
    histories: Mapping[str, Sequence[Event]] | None = None
    temperature: float | None = None
    draws: bool = True
    among_logged: bool = False

    def __post_init__(self) -> None:
        """Check the temperature."""
        if self.temperature is not None and not self.temperature > 0:
            raise ValueError(
                f"temperature {self.temperature}: give a number above 0, or draws=False for the best items"
            )


Target = PolicyTarget | Literal["columns"]
"""The policy, or that its probabilities stand in the log (``target_propensities``)."""


def probabilities(target: Target, rows: Sequence[LoggedSlate]) -> TargetProbabilities:
    """What the target does at the rows (none of them empty).

    Raises:
        RowError: a row lacks what is needed, or names an item or user that the data set does not have.
    """
    return _of_columns(rows) if isinstance(target, str) else _of_policy(target, rows)


def evidence_features(target: PolicyTarget, rows: Sequence[LoggedSlate]) -> np.ndarray:
    """The evidence of every candidate and the logarithm of its logged probability where all rows have it, (N, C, F)."""
    count = max(len(row.candidates) for row in rows)
    parts = []
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        states = [_state(target, row).state for row in batch]
        indices = [_indices(row, target.catalogue) for row in batch]
        own = [parts.features for parts in target.policy.parts(states, indices)]
        part = np.zeros((len(batch), count, own[0].shape[1]), dtype=np.float32)
        for n, features in enumerate(own):
            part[n, : len(features)] = features
        parts.append(part)
    features = np.concatenate(parts)
    if any(row.candidate_propensities is None for row in rows):
        return features
    logged = np.zeros((len(rows), count, 1), dtype=np.float32)
    for n, row in enumerate(rows):
        logged[n, : len(row.candidates), 0] = np.log(np.maximum(row.candidate_propensities or (), 1e-12))
    return np.concatenate([features, logged], axis=2)


def _of_columns(rows: Sequence[LoggedSlate]) -> TargetProbabilities:
    k = max(len(row.slate) for row in rows)
    slate = np.ones((len(rows), k))
    first = np.zeros((len(rows), max(len(row.candidates) for row in rows)))
    known = all(row.target_candidate_propensities is not None for row in rows)
    for n, row in enumerate(rows):
        if row.target_propensities is None:
            raise RowError(
                f"{row.where}: field 'target_propensities' is missing: give the target's probabilities in the log, "
                "or a policy to be asked"
            )
        slate[n, : len(row.slate)] = row.target_propensities
        if row.target_candidate_propensities is not None:
            first[n, : len(row.candidates)] = row.target_candidate_propensities
    outside = np.maximum(0.0, 1.0 - first.sum(axis=1)) if known else np.zeros(len(rows))
    outside[outside < 1e-4] = 0.0  # rounding
    return TargetProbabilities(
        "columns", slate, first if known else None, outside, None, np.ones(len(rows), dtype=bool)
    )


def _of_policy(target: PolicyTarget, rows: Sequence[LoggedSlate]) -> TargetProbabilities:
    places = slate_places(rows)
    count = max(len(row.candidates) for row in rows)
    first = np.zeros((len(rows), count))
    outside = np.zeros(len(rows))
    order = np.full(places.shape, -1, dtype=np.int64)
    exact = np.zeros(len(rows), dtype=bool)
    for n, row in enumerate(rows):
        logged = _state(target, row)
        indices = _indices(row, target.catalogue)
        ranking = _ranking(target, logged, indices)
        place = {int(index): c for c, index in enumerate(indices)}
        inside = np.array([place.get(int(index), -1) for index in ranking.candidates], dtype=np.int64)
        chances = ranking.probabilities
        first[n, inside[inside >= 0]] = chances[inside >= 0]
        outside[n] = chances[inside < 0].sum()
        best = inside[np.argsort(-ranking.logits, kind="stable")[: len(row.slate)]]
        order[n, : len(best)] = best
        exact[n] = logged.exact
    if target.draws:
        return TargetProbabilities(
            target.policy.version, conditionals(first, places, outside), first, outside, None, exact
        )
    slate = np.where(places >= 0, places == order, 1.0)
    shown = places >= 0
    missing = ((order < 0) & shown).sum(axis=1) / shown.sum(axis=1)
    return TargetProbabilities(target.policy.version, slate, None, missing, order, exact)


def _ranking(target: PolicyTarget, logged: LoggedState, candidates: np.ndarray) -> Ranking:
    """The distribution that :func:`agent.dialogue.slate.choose` would have drawn from."""
    temperature = target.policy.temperature * EXPLORATION if target.temperature is None else target.temperature
    if target.among_logged:
        return replace(target.policy.rank(logged.state, candidates), temperature=temperature)
    mask = target.catalogue.mask(
        logged.state.conditions, left_out=logged.state.seen | logged.left_out | logged.state.excluded
    )
    whole = one_edition(target.policy.rank(logged.state, np.flatnonzero(mask)), target.catalogue.works)
    return replace(shortlist(whole), temperature=temperature)


def _state(target: PolicyTarget, row: LoggedSlate) -> LoggedState:
    if row.impression is None:
        raise RowError(f"{row.where}: no policy can be asked: the row lacks the fields of an impression of the chat")
    try:
        return logged_state(row.impression, target.catalogue, target.histories)
    except RequestError as error:
        raise RowError(f"{row.where}: {error}") from error


def _indices(row: LoggedSlate, catalogue: Catalogue) -> np.ndarray:
    try:
        return np.array([item_index(item, catalogue) for item in row.candidates], dtype=np.int64)
    except RequestError as error:
        raise RowError(f"{row.where}: field 'candidates': {error}") from error
