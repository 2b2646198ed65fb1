"""Data sets of rows to train on: demonstrations, preference pairs and slates to choose from, as Arrow files.

Rows are made one user at a time and written as they come, and read from the file by memory mapping or as a stream: more
rows than fit in memory are no problem. They are rendered by the state template into TRL's conversational form, so they
do not depend on a tokenizer.

Nothing of the rated slates' future, of the held-out leave-one-out items, and of a held-out user's items in the
``train`` split is ever read; see :func:`split_histories`.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import cache_dir
from agent.data.atomic import building
from agent.data.interactions import user_histories
from agent.features.factorization import history_matrix
from agent.policy.item_embeddings import item_token
from agent.policy.state_prompt import state_inputs
from agent.records.state import POSITIVE, Event, State
from agent.retrieval.item_neighbours import ItemNeighbours
from prompts.header import ROLES
from training.requests.facet_writer import request_writer
from training.rows.cleaning import CleaningReport, clean_ratings
from training.sft.rows import RowPlan, Writer, user_rows
from training.splits import Slate, cut_slates, held_out_users, leave_one_out, past_and_future

if TYPE_CHECKING:
    import datasets

    from agent.data.dataset import Dataset

Kind = Literal["sft", "preferences", "prompts"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Progress = Callable[[int, int], None]

# Raised when the rows change: a cached copy of another format is made anew.
_FORMAT = 1
_BATCH = 500


class RowKindError(ValueError):
    """An unknown kind of rows; the message lists the known ones."""


@dataclass(frozen=True)
class RowSet:
    """Built rows of one kind: ``counts`` and ``users`` by split, and what cleaning left out."""

    kind: Kind
    folder: Path
    counts: Mapping[str, int]
    users: Mapping[str, int]
    cleaning: CleaningReport
    template: Mapping[str, Any]

    def load(self, split: Split = "train") -> datasets.Dataset:
        """The rows of a split, mapped from disk, not read into memory.

        Raises:
            ValueError: an unknown split.
        """
        from datasets import Dataset

        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")
        return Dataset.from_file(str(self.folder / f"{split}.arrow"))

    def stream(self, split: Split = "train") -> datasets.IterableDataset:
        """The rows of a split one after the other, as an iterable that shuffles and batches without an index."""
        return self.load(split).to_iterable_dataset()

    def write(self, folder: Path) -> dict[str, Path]:
        """Write one Parquet file a split, each whole or not at all; returns where they are."""
        folder.mkdir(parents=True, exist_ok=True)
        paths: dict[str, Path] = {}
        for split in SPLITS:
            paths[split] = folder / f"{split}.parquet"
            unfinished = folder / f".{split}.parquet.tmp"
            self.load(split).to_parquet(str(unfinished))
            os.replace(unfinished, paths[split])
        return paths


def check_kind(kind: str) -> Kind:
    """The kind, if it is one.

    Raises:
        RowKindError: it is not.
    """
    found = [known for known in KINDS if known == kind]
    if not found:
        raise RowKindError(f"unknown kind of rows {kind!r}: use one of {', '.join(KINDS)}")
    return found[0]


class RowMaker:
    """Makes rows of a kind, one user at a time."""

    def __init__(self, dataset: Dataset, kind: Kind, settings: RowSettings) -> None:
        self.kind = check_kind(kind)
        self.settings = settings
        self.ratings, self.cleaning = clean_ratings(dataset)
        self.histories = split_histories(self.ratings, settings)
        train = [history.events for history in self.histories["train"]]
        rows = [(own.user, event) for own in self.histories["train"] for event in own.events]
        frame = pd.DataFrame(
            [(user, event.item, event.rating, event.timestamp) for user, event in rows], columns=list(self.ratings)
        ).astype({"item": np.int64})
        self.catalogue = Catalogue(dataset.only(frame))
        self.template = prompts.load(settings.template)
        self._given = ROLES[self.template.header.role]
        self._train = train

    def rows(self, split: Split, progress: Progress | None = None) -> Iterator[dict[str, Any]]:
        """The rows of a split; the same for the same data, settings and template."""
        make = {"sft": self._sft, "preferences": self._preferences, "prompts": self._prompts}[self.kind]
        for done, own in enumerate(self.histories[split]):
            # Each user has dice of their own: a row does not depend on who came before.
            yield from make(own, np.random.default_rng([self.settings.seed, zlib.crc32(own.user.encode())]))
            if progress:
                progress(done + 1, len(self.histories[split]))

    def features(self) -> datasets.Features:
        """The columns of the rows."""
        from datasets import Features, List, Value

        text, items = Value("string"), List(Value("int64"))
        messages = List({"role": text, "content": text})
        shared = {"user": text, "goal": text, "history": items, "prompt": messages}
        own = {
            "sft": {"completion": messages, "item": Value("int64"), "request": text, "slate": items},
            "preferences": {"chosen": messages, "rejected": messages, "items": items, "stars": List(Value("float32"))},
            "prompts": {"items": items, "tokens": List(text), "stars": List(Value("float32"))},
        }
        return Features({**shared, **own[self.kind]})

    @cached_property
    def _near(self) -> Any:
        watched = history_matrix(self._train, len(self.catalogue))
        watched.data[:] = 1.0
        return ItemNeighbours.fit(watched).neighbours

    @cached_property
    def _writer(self) -> Writer:
        return request_writer(self.catalogue)

    def _sft(self, own: SplitHistory, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        plan = self.settings.plan
        made, _ = user_rows(own.user, own.events, self.catalogue, self._near, self._writer, plan, rng, own.start)
        for row in made:
            yield self._shared(own.user, row.state) | {
                "completion": self._answer(row.target),
                "item": row.target,
                "request": row.state.request,
                "slate": list(row.slate or ()),
            }

    def _preferences(self, own: SplitHistory, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        settings = self.settings
        for place, liked, other in preference_pairs(
            own.events, own.start, settings.pairs, settings.near, settings.days, rng
        ):
            yield self._shared(own.user, State(own.events[:place], goal="like")) | {
                "chosen": self._answer(liked.item),
                "rejected": self._answer(other.item),
                "items": [liked.item, other.item],
                "stars": [liked.rating, other.rating],
            }

    def _prompts(self, own: SplitHistory, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        least, most = self.settings.slate
        # A state needs some history: the first items of a user are no slate.
        start = max(own.start, least)
        slates: list[Slate] = cut_slates(own.user, own.events[:start], own.events[start:], most, least, grow=True)
        for slate in slates:
            yield self._shared(own.user, State(slate.history, goal="like")) | {
                "items": list(slate.items),
                "tokens": [self._token(item) for item in slate.items],
                "stars": list(slate.ratings),
            }

    def _shared(self, user: str, state: State) -> dict[str, Any]:
        inputs = state_inputs(state, self.catalogue.items, self.settings.max_history)
        rendered = self.template.render(**{name: inputs[name] for name in self._given})
        history = [event.item for event in state.history]
        return {"user": user, "goal": state.goal, "history": history, "prompt": rendered.messages}

    def _token(self, item: int) -> str:
        return item_token(self.catalogue[item].item_id)

    def _answer(self, item: int) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": self._token(item)}]


def build_rows(
    dataset: Dataset, kind: Kind, settings: RowSettings | None = None, progress: Progress | None = None
) -> RowSet:
    """The rows of a kind, made once and kept in the user's cache under a hash of all that they depend on.

    ``progress`` is called with (users done, users in all) for each split in turn.

    Raises:
        ValueError: an unknown kind, or data of which nothing is left.
        PromptError: the template is missing or does not fit.
    """
    from datasets.arrow_writer import ArrowWriter

    settings = settings or RowSettings()
    maker = RowMaker(dataset, kind, settings)
    reference = dict(maker.template.reference)
    folder = cache_dir() / "rows" / f"{dataset.name}-{kind}-{_key(maker, dataset, reference)}"
    with building(folder, lambda: (folder / "about.json").is_file()) as temporary:
        if temporary is not None:
            counts = {}
            for split in SPLITS:
                path = str(temporary / f"{split}.arrow")
                with ArrowWriter(features=maker.features(), path=path, writer_batch_size=_BATCH) as writer:
                    for row in maker.rows(split, progress):
                        writer.write(row)
                    counts[split] = writer.finalize()[0]
            (temporary / "about.json").write_text(json.dumps({"counts": counts}), encoding="utf-8")
    counts = json.loads((folder / "about.json").read_text(encoding="utf-8"))["counts"]
    users: dict[str, int] = {split: len(own) for split, own in maker.histories.items()}
    return RowSet(kind, folder, counts, users, maker.cleaning, reference)


def _key(maker: RowMaker, dataset: Dataset, reference: Mapping[str, Any]) -> str:
    said = [_FORMAT, maker.kind, asdict(maker.settings), dict(reference)]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(pd.util.hash_pandas_object(maker.ratings, index=False).to_numpy().tobytes())
    for item in maker.catalogue.items:
        digest.update(json.dumps([item.item_id, item.title, item.year, item.categories]).encode())
    return digest.hexdigest()[:16]


Split = Literal["train", "later", "new_users"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, slots=True)
class RowSettings:
    """How rows are made.

    ``held_users`` is the share of users that only the split ``new_users`` sees; ``later`` the share at the end of the
    other users' past that only the split ``later`` has targets from. ``pairs`` preference pairs are made a state, of
    items at most ``near`` ratings and ``days`` days apart. ``slate`` is the (least, most) items of a slate to choose
    from. ``plan`` is for the demonstrations.
    """

    template: str = "state"
    max_history: int = 15
    held_users: float = 0.1
    later: float = 0.2
    pairs: int = 3
    near: int = 10
    days: float = 30.0
    slate: tuple[int, int] = (10, 20)
    plan: RowPlan = field(default_factory=RowPlan)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SplitHistory:
    """One user's events in a split, oldest first; what is chosen stands at ``start`` or later."""

    user: str
    events: tuple[Event, ...]
    start: int


def split_histories(ratings: pd.DataFrame, settings: RowSettings) -> dict[Split, list[SplitHistory]]:
    """The users' events by split, from ratings with catalogue indices.

    Of every user only what lies in the first 80 % and is neither of the last two ratings is used: the rated slates'
    future and the leave-one-out items stay unseen whatever the length of a history. ``train`` has the beginnings of
    the training users, ``later`` the rest of their past, and ``new_users`` the past of users who are in no other split.
    """
    past = past_and_future(ratings).past
    kept = leave_one_out(ratings).train
    usable = past.merge(kept[["user", "item"]].drop_duplicates(), on=["user", "item"])
    held = held_out_users(ratings["user"].unique().tolist(), settings.held_users, settings.seed)
    parts: dict[Split, list[SplitHistory]] = {split: [] for split in SPLITS}
    for user, events in user_histories(usable).items():
        if user in held:
            parts["new_users"].append(SplitHistory(user, events, 0))
            continue
        start = int(len(events) * (1.0 - settings.later) + 1e-9)
        parts["train"].append(SplitHistory(user, events[:start], 0))
        parts["later"].append(SplitHistory(user, events, start))
    return parts


_DAY = 86_400.0


def preference_pairs(
    events: Sequence[Event], start: int, pairs: int, near: int, days: float, rng: np.random.Generator
) -> Iterator[tuple[int, Event, Event]]:
    """Pairs of a liked and another item from each run of ``near`` events, with the place where the state ends.

    Yields (place, liked, other): the state of both is ``events[:place]``, both were rated within the ``near`` events
    that follow and at most ``days`` days apart (where times are known), and at least one star lies between them. At
    most ``pairs`` a run, each item in at most one pair of it. Runs begin at ``start``.
    """
    for place in range(start, len(events), near):
        run = [event for event in events[place : place + near] if event.rating is not None]
        run = [run[k] for k in rng.permutation(len(run))]
        likes = [event for event in run if (event.rating or 0.0) >= POSITIVE]
        others = [event for event in run if (event.rating or 0.0) < POSITIVE]
        made = 0
        for liked in likes:
            other = next((event for event in others if _comparable(liked, event, days)), None)
            if other is None or made == pairs:
                continue
            others.remove(other)
            made += 1
            yield place, liked, other


def _comparable(liked: Event, other: Event, days: float) -> bool:
    if liked.rating is None or other.rating is None or liked.rating - other.rating < 1.0:
        return False
    known = liked.timestamp is not None and other.timestamp is not None
    return not known or abs((liked.timestamp or 0.0) - (other.timestamp or 0.0)) <= days * _DAY
