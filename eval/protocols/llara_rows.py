"""LLaRA rows: the published split of MovieLens-100K's users, and the authors' rows of the users held out.

Liao et al. (2024), "LLaRA: Large Language-Recommendation Assistant", arXiv:2312.02445. A row is a user's last item
rated three stars or more and the ten such items before it. Item numbers are MovieLens ids less one, user numbers ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.records.state import Event

Part = Literal["valid", "test"]
LEAST = 3.0
"""Stars from which an item belongs to the protocol's sequences."""

LENGTH = 10
"""Items of a row's history."""

FILES: Mapping[str, str] = {
    "users": "llara-ml100k-users.json",
    "valid": "llara-ml100k-val.jsonl",
    "test": "llara-ml100k-test.jsonl",
}
_BESIDE = Path(__file__).resolve().parent.parent.parent / "shared" / "protocols"


class RowsError(ValueError):
    """The published rows are missing or are not what they should be; the message names file, line and fix."""


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """What a user watched, oldest first (catalogue indices with stars), and what came next."""

    user: str
    history: tuple[Event, ...]
    target: int


@dataclass(frozen=True)
class LlaraSplit:
    """``train`` holds the training users' whole sequences (three stars or more), oldest first."""

    train: Mapping[str, tuple[Event, ...]]
    valid: tuple[ChoiceRow, ...]
    test: tuple[ChoiceRow, ...]

    def rows(self, part: Part) -> tuple[ChoiceRow, ...]:
        """The held-out rows of one part."""
        return self.valid if part == "valid" else self.test


def rows_folder(given: str | Path | None = None) -> Path:
    """The folder of the published rows: the one given, or ``../shared/protocols`` beside the checkout.

    Raises:
        RowsError: a file is missing there.
    """
    folder = Path(given) if given is not None else _BESIDE
    missing = [name for name in FILES.values() if not (folder / name).is_file()]
    if missing:
        raise RowsError(
            f"the published rows are not in {folder}: {', '.join(missing)} missing. They are the LLaRA authors' rows "
            "of MovieLens-100K and do not come with Concierge: give their folder with --rows"
        )
    return folder


def load_llara(dataset: Dataset, folder: str | Path | None = None) -> LlaraSplit:
    """The split of MovieLens-100K.

    Raises:
        RowsError: a file is missing or malformed, the data set is another one, or a row does not agree with it.
    """
    place = rows_folder(folder)
    histories = user_histories(indexed_ratings(dataset))
    index = {item: row for row, item in enumerate(dataset.items["item"])}
    path = place / FILES["users"]
    try:
        named = json.loads(path.read_text(encoding="utf-8"))["train"]
        users = sorted(int(user) for user in named)
    except (ValueError, KeyError, TypeError) as error:
        raise RowsError(f"{path}: no list of user numbers under 'train' ({error}): fetch the file again") from error
    unknown = [user for user in users if str(user) not in histories]
    if unknown:
        raise RowsError(f"{path}: user {unknown[0]} is not in {dataset.name!r}: these rows belong to MovieLens-100K")
    train = {
        str(user): tuple(event for event in histories[str(user)] if (event.rating or 0.0) >= LEAST) for user in users
    }
    valid, test = (_read(place / FILES[part], index, histories) for part in ("valid", "test"))
    shared = {row.user for row in (*valid, *test)} & train.keys()
    if shared:
        raise RowsError(f"user {min(shared)} is in 'train' and has a held-out row too: fetch the files again")
    return LlaraSplit(train, valid, test)


def _read(path: Path, index: Mapping[str, int], histories: Mapping[str, Sequence[Event]]) -> tuple[ChoiceRow, ...]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(_row(json.loads(line), index, histories))
        except (ValueError, KeyError, TypeError) as error:
            raise RowsError(f"{path}, line {number}: {error!r}. Fetch the file again, for MovieLens-100K") from error
    if not rows:
        raise RowsError(f"{path} holds no rows: fetch the file again")
    return tuple(rows)


def _row(data: Mapping[str, Any], index: Mapping[str, int], histories: Mapping[str, Sequence[Event]]) -> ChoiceRow:
    user = str(data["user"])
    known = {event.item: event.rating for event in histories[user]}
    items = [index[str(int(item) + 1)] for item in data["history"]]
    target = index[str(int(data["target"]) + 1)]
    stars = [float(rating) for rating in data["history_ratings"]]
    for item, rating in zip([*items, target], [*stars, float(data["target_rating"])], strict=True):
        if known.get(item) != rating:
            raise ValueError(f"user {user} did not give item {item + 1} {rating:g} stars")
    return ChoiceRow(user, tuple(Event(i, r) for i, r in zip(items, stars, strict=True)), target)
