"""Ranking: our policies, baselines and library recommenders side by side under each protocol, on the same cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.data.dataset import Dataset
from agent.policy.loading import ADAPTERS
from eval.protocols import leave_one_out, llara, rated_slates, requests, tallrec
from eval.ranking.run import PolicySource, RankingError, RankingRun
from eval.ranking.table import Table

Protocol = Callable[[Dataset, RankingRun], list[Table]]
"""Splits a data set, ranks what the run asks for, and gives the tables; RankingError where it does not apply."""

PROTOCOLS: Mapping[str, Protocol] = {
    leave_one_out.NAME: leave_one_out.tables,
    rated_slates.NAME: rated_slates.tables,
    requests.NAME: requests.tables,
    llara.NAME: llara.tables,
    tallrec.NAME: tallrec.tables,
}
"""Every protocol, by the name that ``concierge eval ranking --protocol`` takes."""

DEFAULT = (leave_one_out.NAME, rated_slates.NAME, requests.NAME)
"""The protocols that are run where none is named."""


def evaluate(dataset: Dataset, protocol: str, run: RankingRun) -> list[Table]:
    """The tables of one protocol; evidence and baselines are fitted on its past alone and kept in the user's cache.

    Raises:
        RankingError: an unknown protocol, or one that does not apply to this data set (the message says why).
    """
    if protocol not in PROTOCOLS:
        raise RankingError(f"unknown protocol {protocol!r}: use one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol](dataset, run)


def evaluate_all(
    dataset: Dataset, protocols: Sequence[str], run: RankingRun, skip: bool = False
) -> tuple[list[Table], dict[str, str]]:
    """The tables of several protocols; with ``skip``, why any of them does not apply, by its name.

    Raises:
        RankingError: see :func:`evaluate`; with ``skip`` only for a name that is unknown.
    """
    tables: list[Table] = []
    left_out: dict[str, str] = {}
    for name in protocols:
        try:
            tables += evaluate(dataset, name, run)
        except RankingError as error:
            if not skip or name not in PROTOCOLS:
                raise
            left_out[name] = str(error)
    return tables, left_out


def as_document(data: str, run: RankingRun, tables: Sequence[Table], left_out: Mapping[str, str]) -> dict[str, Any]:
    """What ``concierge eval ranking --json`` prints, plain data."""
    return {
        "data": data,
        "part": run.part,
        "seed": run.seed,
        "rows": [row for table in tables for row in table.to_json()],
        "notes": [f"{table.protocol}: {note}" for table in tables for note in table.notes],
        "left_out": dict(left_out),
    }


def released_policies() -> list[PolicySource]:
    """The shipped policies, before PPO and after it where it was released."""
    folders = {role: ADAPTERS / f"ml-100k-{role}" for role in ("sft", "ppo")}
    return [PolicySource(role, folder) for role, folder in folders.items() if folder.is_dir()]
