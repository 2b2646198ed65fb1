"""Ranking table: the figures of ranked lists, policy by policy, with intervals and paired differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eval.metrics import Interval
from eval.ranking.cache import code_version, digest
from eval.ranking.cases import Cases, CaseScorer
from eval.ranking.list_metrics import ItemTraits, accuracy, banded, beyond_accuracy, first_choice, spread
from eval.ranking.lists import Lists, dump, rank_all
from eval.ranking.run import Kind, Method, RankingError, RankingRun
from eval.resampling import UserBootstrap


@dataclass(frozen=True)
class Group:
    """A row's figures for some of the users (by length of history) or some items (by popularity)."""

    by: str
    name: str
    cases: int
    figures: Mapping[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """``slice``, ``group``, ``cases``, each metric's mean, and ``ci``."""
        return {"slice": self.by, "group": self.name, "cases": self.cases, **_plain(self.figures)}


@dataclass(frozen=True)
class TableRow:
    """One policy's figures.

    ``differences`` and ``library_differences`` are paired, to the table's ``reference`` and ``library_reference``;
    ``totals`` belong to all lists together and have no interval.
    """

    policy: str
    kind: Kind
    figures: Mapping[str, Interval]
    differences: Mapping[str, Interval] = field(default_factory=dict)
    library_differences: Mapping[str, Interval] = field(default_factory=dict)
    totals: Mapping[str, float] = field(default_factory=dict)
    groups: Sequence[Group] = ()


@dataclass(frozen=True)
class Table:
    """One protocol's rows on ``cases`` cases of ``users`` users.

    ``reference`` is the strongest row that is not ours by the first of ``headline``, the metrics that belong in a short
    table; ``library_reference`` the strongest of the library's, where there are any. ``notes`` say what was sampled,
    tuned or left out.
    """

    protocol: str
    about: str
    cases: int
    users: int
    headline: tuple[str, ...]
    rows: Sequence[TableRow]
    reference: str | None = None
    library_reference: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> list[dict[str, Any]]:
        """One object a row: protocol, set, policy, each metric's mean, ``ci`` and ``paired`` by metric, ``slices``."""
        return [
            {
                "protocol": self.protocol,
                "set": self.about,
                "cases": self.cases,
                "users": self.users,
                "headline": list(self.headline),
                "policy": row.policy,
                "kind": row.kind,
                **_plain(row.figures),
                **row.totals,
                "paired": _paired(self.reference, row.differences),
                "paired_library": _paired(self.library_reference, row.library_differences),
                "slices": [group.to_json() for group in row.groups],
            }
            for row in self.rows
        ]


def _plain(figures: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: own.mean for name, own in figures.items()} | {
        "ci": {name: [own.low, own.high] for name, own in figures.items()}
    }


def _paired(reference: str | None, differences: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: {"reference": reference, "mean": d.mean, "ci": [d.low, d.high]} for name, d in differences.items()}


def make_table(
    cases: Cases,
    methods: Sequence[Method],
    traits: ItemTraits,
    item_ids: np.ndarray,
    content: str,
    headline: Sequence[str],
    run: RankingRun,
    notes: Sequence[str] = (),
) -> Table:
    """Rank the cases with all methods (or those that the run wants) and work out the table.

    ``cases``: what is ranked; of a large set, the users are sampled here; ``content``: the data's fingerprint and all
    else that fixes the cases, for the cache; ``headline``: the metrics of a short table; the first decides which row is
    the strongest.

    Raises:
        RankingError: the run wants a row that there is not.
    """
    wanted = [own for own in methods if run.compare is None or own.name in run.compare]
    missing = [name for name in run.compare or () if name not in {own.name for own in methods}]
    if missing:
        known = ", ".join(own.name for own in methods)
        raise RankingError(f"no row {missing[0]!r} under {cases.protocol} ({cases.about}): use one of {known}")
    cases = cases.of_some_users(run.users, run.seed)
    lists = _ranked(cases, wanted, content, run)
    said = list(notes)
    count = len(set(cases.users))
    if count < cases.population:
        said.insert(0, f"{count:,} of {cases.population:,} users, drawn by a hash with seed {run.seed}.")
    for own in wanted:
        run.keep(dump(lists[own.name], cases, own.name, item_ids))
    bootstrap = UserBootstrap(cases.users, seed=run.seed)
    values = {own.name: _values(lists[own.name], cases, traits) for own in wanted}
    judged = headline[0]
    strength = {own.name: float(np.nanmean(values[own.name][judged])) for own in wanted}
    outside = [own.name for own in wanted if own.kind in ("baseline", "library")]
    library = [own.name for own in wanted if own.kind == "library"]
    reference = max(outside, key=strength.__getitem__, default=None)
    library_reference = max(library, key=strength.__getitem__, default=None)
    if run.compare is not None:
        reference, library_reference = run.compare[1], None
    rows = []
    for number, own in enumerate(wanted):
        run.report("intervals", number, len(wanted))
        mine = values[own.name]
        rows.append(
            TableRow(
                own.name,
                own.kind,
                intervals(mine, bootstrap),
                _differences(mine, own.name, reference, values, bootstrap),
                _differences(mine, own.name, library_reference, values, bootstrap),
                spread(lists[own.name], len(item_ids)),
                _groups(lists[own.name], cases, mine, headline, traits, bootstrap),
            )
        )
    run.report("intervals", len(wanted), len(wanted))
    said += [text for own in wanted if (text := own.note())]
    return Table(
        cases.protocol,
        cases.about,
        len(cases),
        count,
        tuple(headline),
        rows,
        reference,
        library_reference,
        tuple(said),
    )


def compare_scorers(
    cases: Cases, scorers: Mapping[str, CaseScorer], reference: str | None = None, seed: int = 0
) -> dict[str, TableRow]:
    """Rows of a few scorers on the same cases, outside of any table; differences are to the row ``reference``.

    Raises:
        KeyError: the reference is none of the scorers.
    """
    if reference is not None and reference not in scorers:
        raise KeyError(f"unknown reference {reference!r}: use one of {', '.join(scorers)}")
    bootstrap, values = UserBootstrap(cases.users, seed=seed), case_figures(cases, scorers)
    return {
        name: TableRow(name, "ours", intervals(own, bootstrap), _differences(own, name, reference, values, bootstrap))
        for name, own in values.items()
    }


def case_figures(
    cases: Cases, scorers: Mapping[str, CaseScorer], report: Callable[[int], None] = lambda done: None, batch: int = 64
) -> dict[str, dict[str, np.ndarray]]:
    """The figures of accuracy of each scorer, case by case, (cases,) each; see :func:`eval.ranking.lists.rank_all`."""
    return {name: _accuracy(lists, cases) for name, lists in rank_all(cases, scorers, report, batch).items()}


def intervals(values: Mapping[str, np.ndarray], bootstrap: UserBootstrap) -> dict[str, Interval]:
    """Each metric's mean over the cases in which it is defined, with its 95 % interval over users."""
    names = [name for name, own in values.items() if np.isfinite(own).any()]
    if not names:
        return {}
    cases = np.stack([values[name] for name in names], axis=1)
    known = np.isfinite(cases)
    columns = [*np.where(known, cases, 0.0).T, *known.T.astype(np.float64)]
    total, count = np.split(bootstrap.by_user(*columns), 2, axis=1)
    with np.errstate(invalid="ignore"):
        draws = (bootstrap.weights @ total) / (bootstrap.weights @ count)
    # A small group may be missing from a draw altogether.
    low, high = np.nanquantile(draws, [0.025, 0.975], axis=0)
    means = [float(values[name][np.isfinite(values[name])].mean()) for name in names]
    return {name: Interval(means[k], float(low[k]), float(high[k])) for k, name in enumerate(names)}


def _ranked(cases: Cases, methods: Sequence[Method], content: str, run: RankingRun) -> dict[str, Lists]:
    """Everybody's lists, from the cache where they are there."""
    common = digest(content, code_version(), cases.protocol, cases.about, run.part, run.users, run.seed)
    keys = {own.name: digest(common, own.key) for own in methods}
    lists = {name: kept for name, key in keys.items() if (kept := run.cache.lists(key)) is not None}
    scorers = {}
    todo = [own for own in methods if own.name not in lists]
    for number, own in enumerate(todo):
        run.report(f"making {own.name}", number, len(todo))
        scorers[own.name] = own.make()
        run.report(f"making {own.name}", len(todo), len(todo))
    if scorers:
        made = rank_all(cases, scorers, lambda done: run.report(f"ranking, {cases.about}", done, len(cases)))
        for name, own_lists in made.items():
            run.cache.keep_lists(keys[name], own_lists)
        lists |= made
    return lists


def _values(lists: Lists, cases: Cases, traits: ItemTraits) -> dict[str, np.ndarray]:
    """All metrics that belong to cases, (cases,) each."""
    return _accuracy(lists, cases) | beyond_accuracy(lists, len(cases), traits)


def _accuracy(lists: Lists, cases: Cases) -> dict[str, np.ndarray]:
    chosen = first_choice(lists, len(cases)) if cases.ratings is not None else {}
    return chosen | accuracy(lists, len(cases))


def _differences(
    mine: Mapping[str, np.ndarray],
    name: str,
    reference: str | None,
    values: Mapping[str, Mapping[str, np.ndarray]],
    bootstrap: UserBootstrap,
) -> dict[str, Interval]:
    if reference is None or name == reference:
        return {}
    other = values[reference]
    return intervals({metric: own - other[metric] for metric, own in mine.items()}, bootstrap)


def _groups(
    lists: Lists,
    cases: Cases,
    values: Mapping[str, np.ndarray],
    headline: Sequence[str],
    traits: ItemTraits,
    bootstrap: UserBootstrap,
) -> list[Group]:
    shown = {metric: values[metric] for metric in headline}
    groups = []
    for by, name, own in banded(lists, cases, shown, traits):
        count = max(int(np.isfinite(column).sum()) for column in own.values()) if own else 0
        if count:
            groups.append(Group(by, name, count, intervals(own, bootstrap)))
    return groups
