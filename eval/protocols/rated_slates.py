"""Rated slates: choose among films whose rating by this user is known; a click is four stars or more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agent.taste import LIKED
from eval.metrics import Row, Scorer, first_pick, precision, rows_of, run_scorer
from training.splits import Slate


def evaluate(
    scorers: Mapping[str, Scorer], slates: Sequence[Slate], reference: str | None = None, seed: int = 0
) -> list[Row]:
    """Click rate and mean stars of the first pick and precision@5 of each scorer, with intervals clustered by user.

    Two more rows bound what can be had: ``random`` is the expectation of a blind pick, ``oracle`` knows the ratings.
    """
    users = [slate.user for slate in slates]
    stars = [np.array(slate.ratings) for slate in slates]
    clicks = [(own >= LIKED).astype(np.float64) for own in stars]
    constant = [np.zeros(len(own)) for own in stars]
    everything = {"random": constant}
    histories = [slate.history for slate in slates]
    candidates = [np.array(slate.items) for slate in slates]
    for name, scorer in scorers.items():
        everything[name] = run_scorer(scorer, histories, candidates)
    everything["oracle"] = stars
    cases = {
        name: {
            "click_rate": np.array([first_pick(s, c) for s, c in zip(scores, clicks, strict=True)]),
            "stars": np.array([first_pick(s, r) for s, r in zip(scores, stars, strict=True)]),
            "precision@5": np.array(
                # A constant score has no order: its precision is the expectation too.
                [c.mean() if np.ptp(s) == 0 else precision(s, c) for s, c in zip(scores, clicks, strict=True)]
            ),
        }
        for name, scores in everything.items()
    }
    return rows_of(cases, users, reference, seed)
