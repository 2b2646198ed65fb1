"""Rows to train on: what they hold, that nothing held out reaches them, and that they are read without memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset as Rows
from datasets import IterableDataset, load_dataset

import prompts
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.records.state import Event
from training.rows.datasets import (
    KINDS,
    SPLITS,
    Kind,
    RowMaker,
    RowSet,
    RowSettings,
    build_rows,
    preference_pairs,
    split_histories,
)
from training.sft.rows import RowPlan
from training.splits import held_out_users, leave_one_out, past_and_future, rated_slates

PLAN = RowPlan(anchors=2, requests=1)
SETTINGS = RowSettings(plan=PLAN)


def small(dataset: Dataset, users: int = 60) -> Dataset:
    """The first users, without what depends on them."""
    names = dataset.ratings["user"].unique()[:users]
    return dataclasses.replace(dataset, ratings=dataset.ratings[dataset.ratings["user"].isin(names)])


@pytest.fixture(scope="module")
def part(dataset: Dataset) -> Dataset:
    return small(dataset)


@pytest.fixture(scope="module", params=KINDS)
def built(request: pytest.FixtureRequest, part: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RowSet:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return build_rows(part, request.param, SETTINGS)


def chosen(kind: Kind, row: dict[str, Any]) -> list[int]:
    """The catalogue indices that a row's answer, or choice of answers, consists of."""
    if kind == "sft":
        return [row["item"], *row["slate"]]
    return list(row["items"])


def test_no_held_out_row_reaches_training(part: Dataset, built: RowSet) -> None:
    ratings = indexed_ratings(part)
    held = held_out_users(ratings["user"].unique().tolist())
    parts, one_out = past_and_future(ratings), leave_one_out(ratings)
    forbidden = pd.concat([parts.future, one_out.valid, one_out.test])
    unseen = set(zip(forbidden["user"], forbidden["item"], strict=True))
    slated = {(slate.user, item) for slate in rated_slates(parts) for item in slate.items}
    assert slated <= unseen
    read: dict[str, set[tuple[str, int]]] = {}
    for split in SPLITS:
        answered: set[tuple[str, int]] = set()
        for row in built.load(split):
            user = row["user"]
            assert (user in held) == (split == "new_users")
            answers = {(user, item) for item in chosen(built.kind, row)}
            assert not (answers | {(user, item) for item in row["history"]}) & unseen
            assert not answers & {(user, item) for item in row["history"]}
            answered |= answers
        assert answered, split
        read[split] = answered
    assert not read["train"] & read["later"]


def test_training_never_reads_what_comes_later(part: Dataset, built: RowSet) -> None:
    """Other stars in every row that is held out from ``train`` leave its rows as they are, prompts and all."""
    train = split_histories(indexed_ratings(part), SETTINGS)["train"]
    ids = part.items["item"].to_numpy()
    known = {(own.user, ids[event.item]) for own in train for event in own.events}
    rows = part.ratings
    other = [pair not in known for pair in zip(rows["user"], rows["item"], strict=True)]
    assert 0.3 < np.mean(other) < 0.6
    changed = dataclasses.replace(part, ratings=rows.assign(rating=rows["rating"].where(~np.array(other), 1.0)))
    again = list(RowMaker(changed, built.kind, SETTINGS).rows("train"))
    assert again == list(RowMaker(part, built.kind, SETTINGS).rows("train"))
    assert len(again) == built.counts["train"]


def test_short_histories_keep_their_last_two_films_out(dataset: Dataset) -> None:
    rows = [(str(user), item, 4.0, item) for user in range(10) for item in range(5)]
    ratings = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    parts = split_histories(ratings, SETTINGS)
    for split in SPLITS:
        assert all(event.item < 3 for own in parts[split] for event in own.events)


def test_rows_are_rendered_by_the_template(part: Dataset, built: RowSet) -> None:
    template = prompts.load("state")
    assert built.template == template.reference
    row = built.load()[0]
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    tokens = [f"<item_{part.items['item'][item]}>" for item in row["history"][-15:]]
    body = row["prompt"][1]["content"]
    assert tokens
    assert all(token in body for token in tokens)
    if built.kind == "sft":
        assert row["completion"] == [{"role": "assistant", "content": f"<item_{part.items['item'][row['item']]}>"}]


def test_counts_and_columns_are_as_told(built: RowSet) -> None:
    for split in SPLITS:
        rows = built.load(split)
        assert isinstance(rows, Rows)
        assert len(rows) == built.counts[split] > 0
        assert len(set(rows["user"])) <= built.users[split]
    with pytest.raises(ValueError, match="unknown split 'test': use one of train, later, new_users"):
        built.load("test")  # type: ignore[arg-type]


def test_rows_lie_on_disk_and_stream(built: RowSet) -> None:
    rows = built.load()
    assert [Path(file["filename"]).name for file in rows.cache_files] == ["train.arrow"]
    stream = built.stream()
    assert isinstance(stream, IterableDataset)
    assert list(stream.take(3)) == [rows[k] for k in range(3)]
    assert sum(1 for _ in stream) == len(rows)
    shuffled = list(stream.shuffle(seed=1, buffer_size=50).take(3))
    assert shuffled != list(stream.take(3))


def test_the_files_open_with_the_library_alone_as_a_stream(built: RowSet) -> None:
    files = str(built.folder / "later.arrow")
    stream = load_dataset("arrow", data_files={"later": files}, split="later", streaming=True)
    assert next(iter(stream)) == built.load("later")[0]


def test_rows_are_made_one_user_at_a_time(part: Dataset) -> None:
    maker = RowMaker(part, "prompts", SETTINGS)
    users: list[int] = []
    rows = maker.rows("train", lambda done, of: users.append(done))
    next(rows)
    assert len(users) <= 1
    assert len(maker.histories["train"]) > 50


def test_a_second_build_reads_the_cache_and_other_settings_do_not(
    part: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path))
    made: list[int] = []
    first = build_rows(part, "preferences", SETTINGS, lambda done, of: made.append(done))
    assert made
    made.clear()
    again = build_rows(part, "preferences", SETTINGS, lambda done, of: made.append(done))
    assert not made
    assert (again.folder, again.counts) == (first.folder, first.counts)
    other = build_rows(part, "preferences", dataclasses.replace(SETTINGS, pairs=1))
    assert other.folder != first.folder
    assert other.counts["train"] < first.counts["train"]
    changed = dataclasses.replace(part, ratings=part.ratings.assign(rating=6.0 - part.ratings["rating"]))
    assert build_rows(changed, "preferences", SETTINGS).folder != first.folder


def test_a_build_that_breaks_off_leaves_nothing_behind(
    part: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path))

    def stop(done: int, of: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_rows(part, "preferences", SETTINGS, stop)
    assert not [path for path in (tmp_path / "rows").iterdir() if path.is_dir()]
    assert build_rows(part, "preferences", SETTINGS).counts["train"]


def test_preference_pairs_are_liked_over_disliked_close_in_time(part: Dataset) -> None:
    histories = user_histories(indexed_ratings(part))
    rng = np.random.default_rng(0)
    seen = 0
    for events in histories.values():
        where = {event.item: place for place, event in enumerate(events)}
        for place, liked, other in preference_pairs(events, 0, 3, 10, 30.0, rng):
            seen += 1
            assert liked.rating is not None and other.rating is not None
            assert liked.rating >= 4.0 > other.rating
            assert place <= where[liked.item] < place + 10
            assert place <= where[other.item] < place + 10
            assert abs((liked.timestamp or 0) - (other.timestamp or 0)) <= 30 * 86_400
    assert seen > 500
    apart = [Event(0, 5.0, 0.0), Event(1, 1.0, 40 * 86_400.0)]
    assert not list(preference_pairs(apart, 0, 3, 10, 30.0, rng))
    unknown_times = [Event(0, 5.0), Event(1, 1.0)]
    assert [(liked.item, other.item) for _, liked, other in preference_pairs(unknown_times, 0, 3, 10, 30.0, rng)] == [
        (0, 1)
    ]


def test_an_unknown_kind_is_refused(part: Dataset) -> None:
    with pytest.raises(ValueError, match="unknown kind of rows 'dpo': use one of sft, preferences, prompts"):
        build_rows(part, "dpo")  # type: ignore[arg-type]
