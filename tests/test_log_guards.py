"""Log guards: poisoned logs change nothing or are refused with the reason, and the honest part of one stays usable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.data.rows import RowError
from agent.records.impression import Impression, Outcome, Reaction
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import LoggedImpression, read_impressions
from training.ppo.log_guards import ONE_ITEM, SHARE, TWICE, guard

ITEMS = tuple(f"item-{k}" for k in range(40))


def slate(
    who: str, number: int, items: tuple[str, ...], done: dict[str, Reaction], user: str | None = None
) -> LoggedImpression:
    shown = Impression(
        id=f"{who}-{number}", conversation_id=who, turn=number + 1, timestamp=1000.0 + hash((who, number)) % 10**6,
        user=user, request=f"{who} {number}", candidates=ITEMS, slate=items, propensities=(0.5,) * len(items),
        scores=(0.1,) * len(items), policy="p", template_name="t", template_version="1", template_hash="h",
        temperature=0.05, latency_ms=1.0,
    )  # fmt: skip
    outcomes = tuple(
        Outcome(impression_id=shown.id, conversation_id=who, item_id=item, kind=kind) for item, kind in done.items()
    )
    return LoggedImpression(shown, outcomes)


def honest(people: int, seed: int = 0) -> list[LoggedImpression]:
    """People who look at three slates and take up what they like; some items are liked far more than others."""
    rng = np.random.default_rng(seed)
    loved = rng.beta(1, 3, len(ITEMS))
    log = []
    for person in range(people):
        for number in range(int(rng.integers(1, 4))):
            items = tuple(ITEMS[k] for k in rng.choice(len(ITEMS), 5, replace=False))
            done: dict[str, Reaction] = {i: "liked" for i in items if rng.random() < loved[ITEMS.index(i)]}
            log.append(slate(f"person-{person}", number, items, done))
    return log


def bots(count: int, kind: Reaction) -> list[LoggedImpression]:
    return [slate(f"bot-{k}", 0, ("item-7", *ITEMS[10:14]), {"item-7": kind}) for k in range(count)]


def account(count: int) -> list[LoggedImpression]:
    """One account that turns down everything of a brand, evening after evening."""
    return [
        slate(f"evening-{k}", 0, ITEMS[k % 30 : k % 30 + 5], dict.fromkeys(ITEMS[k % 30 : k % 30 + 5], "disliked"), "x")
        for k in range(count)
    ]


def test_an_honest_log_is_believed_whole() -> None:
    for seed in range(20):
        log = honest(150, seed)
        found = guard(log)
        assert len(found.kept) == len(log) and not found.left_out and found.refused is None


@pytest.mark.parametrize("kind", ["liked", "clicked", "disliked"])
def test_programs_that_push_one_item_are_left_out(kind: Reaction) -> None:
    people, pushed = honest(150), bots(100, kind)
    found = guard([*people, *pushed])
    assert found.left_out == {ONE_ITEM: 100} or found.left_out[ONE_ITEM] <= 110
    assert not found.kept & {own.impression.id for own in pushed}
    assert len(found.kept & {own.impression.id for own in people}) >= len(people) - 10


def test_one_account_counts_for_its_share_only() -> None:
    people, stolen = honest(150), account(300)
    found = guard([*people, *stolen])
    kept = found.kept & {own.impression.id for own in stolen}
    assert len(kept) <= 0.05 * (len(people) + len(stolen)) and found.left_out[SHARE] == 300 - len(kept)
    assert guard(stolen).refused == "only 1 people are left to learn from, at least 20 are needed"


def test_what_is_there_twice_counts_once() -> None:
    people = honest(100)
    again = [
        replace(own, impression=replace(own.impression, id=f"again-{own.impression.id}", conversation_id="c"))
        for own in people
    ]
    assert guard([*people, *again]).left_out[TWICE] == len(people)
    assert guard([*people, *people]).kept == guard(people).kept


def test_a_log_of_programs_alone_is_refused() -> None:
    found = guard(bots(400, "liked"))
    assert found.refused is not None and found.left_out[ONE_ITEM] == 400


def test_a_propensity_of_zero_is_no_impression(tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "log.db") as log:
        for own in honest(3):
            log.record_impression(own.impression)
            for outcome in own.outcomes:
                log.record_outcome(outcome)
        log.export(tmp_path / "log.jsonl")
        text = (tmp_path / "log.jsonl").read_text("utf-8")
        (tmp_path / "zero.jsonl").write_text(text.replace("[0.5,", "[0.0,", 1), encoding="utf-8")
        with pytest.raises(RowError, match=r"line 1: propensity 0.0"):
            list(read_impressions(tmp_path / "zero.jsonl"))
        # Taken in twice, a log is there once.
        count = len(list(log.impressions()))
        assert log.take_in(tmp_path / "log.jsonl") == (0, count) and len(list(log.impressions())) == count
        with FeedbackLog(tmp_path / "copy.db") as copy:
            assert copy.take_in(tmp_path / "log.jsonl") == (count, 0)
            assert list(read_impressions(tmp_path / "copy.db")) == list(read_impressions(log))
            with pytest.raises(RowError):
                copy.take_in(tmp_path / "zero.jsonl")
