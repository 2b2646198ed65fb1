"""Live index: the items as they are now, found by their words; and what an item gets that no model has seen.

A change of a trained item (title, attributes, hidden, expired, deleted) goes into the catalogue itself, so that the
chat and the policy see it too; what was learned of it stays. A new item has no place in the fitted models. It is found
by its words: where a wish names at least half of what matters in it by words of the item, and the item meets the
wish's conditions, it takes one of the last places of the slate (at most a fifth of them), until the next training.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.catalogue.catalogue import Attribute, Catalogue
from agent.records.conditions import Condition
from agent.service.facade import attributes_of
from agent.service.problems import Problem
from agent.service.schemas import ItemOut, ItemStatus
from agent.store.live_items import LiveItem, LiveItemStore
from agent.text import word_set, words

FRESH_SECONDS = 1.0
"""So old may be what a replica knows of changes that another one made."""

LEAST_COVERAGE = 0.5
"""Part of a wish's words, by weight, that a new item must have."""

ASKING = word_set(
    "a about all also an and any anything are at be best but by can could do find for from get give good great have i"
    " id im in is it its just like liked looking love me more my need new no not of on one or other please really"
    " recommend recommendation show similar so some something suggest that the them these thing this to too want what"
    " which with would you your"
)
"""Words of requests that say nothing of an item."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item that no model has seen, and the words by which a wish found it."""

    item_id: str
    title: str
    attributes: Mapping[str, Attribute]
    matched: tuple[str, ...] = ()


class LiveIndex:
    """The items of one catalogue as they are now. Threads share it."""

    def __init__(self, catalogue: Catalogue, store: LiveItemStore) -> None:
        self._catalogue = catalogue
        self._store = store
        self._lock = threading.Lock()
        self._revision = 0
        self._checked = -math.inf
        self._changed: dict[str, LiveItem] = {}
        self._words: dict[str, frozenset[str]] = {}
        self._postings: dict[str, set[str]] = {}
        self._ignored = ASKING | {
            _stem(word.key)
            for noun in (catalogue.domain.nouns.one, catalogue.domain.nouns.many, *catalogue.domain.nouns.also)
            for word in words(noun)
        }
        for item in catalogue.items:
            self._enter(item.item_id, [item.title, *item.aliases], item.attributes)
        self.refresh()

    def refresh(self, force: bool = False) -> None:
        """Take in what was changed, here or by another replica."""
        now = time.monotonic()
        if not force and now - self._checked < FRESH_SECONDS:
            return
        with self._lock:
            self._checked = now
            if self._store.revision() > self._revision:
                changes = self._store.since(self._revision)
                self._take_in(changes)
                self._revision = changes[-1].revision
            moment = time.time()
            hidden = (own.item_id for own in self._changed.values() if not own.shown_at(moment))
            withdrawn = frozenset(self._catalogue.index(item) for item in hidden if item in self._catalogue)
            if withdrawn != self._catalogue.withdrawn:
                self._catalogue.withdraw(withdrawn)

    def _take_in(self, changes: Sequence[LiveItem]) -> None:
        amended = {}
        for change in changes:
            self._changed[change.item_id] = change
            if change.title is None:
                if change.status == "deleted":
                    self._remove(change.item_id)
                continue
            attributes = checked(change.attributes, self._catalogue)
            self._enter(change.item_id, [change.title], attributes)
            if change.item_id in self._catalogue:
                amended[self._catalogue.index(change.item_id)] = (change.title, attributes)
        if amended:
            self._catalogue.amend(amended)

    def _enter(self, item_id: str, names: Iterable[str], attributes: Mapping[str, Any]) -> None:
        self._remove(item_id)
        found = frozenset(_stem(word.key) for text in _texts(names, attributes) for word in words(text))
        self._words[item_id] = found
        for word in found:
            self._postings.setdefault(word, set()).add(item_id)

    def _remove(self, item_id: str) -> None:
        for word in self._words.pop(item_id, ()):
            self._postings[word].discard(item_id)

    def get(self, item_id: str) -> ItemOut:
        """An item as it is now.

        Raises:
            Problem: there is none (not-found), or it was deleted (gone).
        """
        self.refresh()
        change, trained = self._changed.get(item_id), item_id in self._catalogue
        if change is not None and change.status == "deleted":
            raise Problem("gone", f"item {item_id!r} was deleted: send it again to have it back")
        if change is None and not trained:
            sample = ", ".join(repr(item.item_id) for item in self._catalogue.items[:3])
            raise Problem("not-found", f"no item {item_id!r} in {self._catalogue.name!r}: ids look like {sample}")
        return self._out(item_id, change, trained)

    def _out(self, item_id: str, change: LiveItem | None, trained: bool) -> ItemOut:
        status: ItemStatus = "shown"
        if change is not None and not change.shown_at(time.time()):
            status = change.status if change.status != "shown" else "expired"
        if trained:
            index = self._catalogue.index(item_id)
            mean = float(self._catalogue.mean_rating[index])
            return ItemOut(
                item_id=item_id,
                title=self._catalogue[index].title,
                attributes=attributes_of(self._catalogue, index),
                raters=int(self._catalogue.rating_count[index]),
                mean_rating=round(mean, 3) if mean == mean else None,
                status=status,
            )
        assert change is not None
        return ItemOut(
            item_id=item_id,
            title=change.title or item_id,
            attributes=dict(change.attributes),
            status=status,
            trained=False,
        )

    def is_shown(self, item_id: str) -> bool:
        """Whether an item may be recommended now."""
        change = self._changed.get(item_id)
        return item_id in self._words and (change is None or change.shown_at(time.time()))

    def search(self, query: str, offset: int, limit: int) -> tuple[list[ItemOut], int]:
        """The items that are shown and have words of the query, the best first; and how many there are in all.

        Without words, all items in the catalogue's order, new ones last.
        """
        self.refresh()
        sought = list(dict.fromkeys(_stem(word.key) for word in words(query)))
        if sought:
            scores: dict[str, float] = {}
            for word in sought:
                for item_id in self._postings.get(word, ()):
                    scores[item_id] = scores.get(item_id, 0.0) + self._weight(word)
            ranked = sorted(scores, key=lambda item_id: (-scores[item_id], -self._raters(item_id), item_id))
        else:
            ranked = [item.item_id for item in self._catalogue.items if item.item_id in self._words]
            ranked += [item_id for item_id in self._words if item_id not in self._catalogue]
        found = [item_id for item_id in ranked if self.is_shown(item_id)]
        page = found[offset : offset + limit]
        return [self._out(own, self._changed.get(own), own in self._catalogue) for own in page], len(found)

    def new_items(self, wish: str, most: int) -> list[NewItem]:
        """New items whose words a wish names, the best first; at most ``most``."""
        self.refresh()
        sought = {_stem(word.key) for word in words(wish)} - self._ignored
        total = sum(map(self._weight, sought))
        found: list[tuple[float, NewItem]] = []
        for item_id, change in self._changed.items():
            if item_id in self._catalogue or change.title is None or not self.is_shown(item_id):
                continue
            matched = sought & self._words[item_id]
            covered = sum(map(self._weight, matched))
            if matched and covered >= LEAST_COVERAGE * total:
                attributes = checked(change.attributes, self._catalogue)
                found.append((covered, NewItem(item_id, change.title, attributes, tuple(sorted(matched)))))
        found.sort(key=lambda pair: (-pair[0], pair[1].item_id))
        return [item for _, item in found[:most]]

    def words_of(self, item_id: str) -> list[str]:
        """The words by which an item is found, rarest first."""
        return sorted(self._words.get(item_id, ()), key=lambda word: (-self._weight(word), word))

    def _weight(self, word: str) -> float:
        """Inverse document frequency: rare words tell more."""
        return math.log(1 + (1 + len(self._words)) / (1 + len(self._postings.get(word, ()))))

    def _raters(self, item_id: str) -> int:
        return int(self._catalogue.rating_count[self._catalogue.index(item_id)]) if item_id in self._catalogue else 0


def checked(attributes: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Attribute]:
    """Attributes that were sent, as the catalogue holds them: names as a tuple, numbers as numbers.

    Raises:
        Problem: the catalogue has no such facet, or the value is not of its kind.
    """
    found: dict[str, Attribute] = {}
    for name, value in attributes.items():
        facet = catalogue.facets.get(name)
        if (facet is None and name not in catalogue.texts) or name in ("popularity", "rating"):
            known = [own for own in (*catalogue.facets, *catalogue.texts) if own not in ("popularity", "rating")]
            raise Problem("invalid-request", f"no facet {name!r} in {catalogue.name!r}: use {', '.join(known)}")
        if value is None:
            continue
        kind = "text" if facet is None else facet.kind
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if facet is not None and facet.numeric:
            if not number or not math.isfinite(value):
                raise Problem("invalid-request", f"{value!r} is no {kind} for facet {name!r}: give a number")
            found[name] = int(value) if float(value).is_integer() else float(value)
        elif number:
            raise Problem("invalid-request", f"{value!r} is no {kind} for facet {name!r}: give words")
        elif facet is None:
            found[name] = value if isinstance(value, str) else " ".join(value)
        else:
            found[name] = (value,) if isinstance(value, str) else tuple(map(str, value))
    return found


def meets(attributes: Mapping[str, Attribute], conditions: Iterable[Condition]) -> bool:
    """Whether an item with these attributes meets all conditions; what is unknown meets no bound."""
    return all(_meets(attributes.get(condition.facet), condition) for condition in conditions)


def _meets(value: Attribute | None, condition: Condition) -> bool:
    if condition.names:
        has = isinstance(value, tuple) and not set(value).isdisjoint(condition.names)
    else:
        low, high = condition.span
        has = (
            isinstance(value, int | float)
            and (low is None or value >= low)
            and (high is None or value <= high)
        )  # fmt: skip
    return has != condition.negative


def _texts(names: Iterable[str], attributes: Mapping[str, Any]) -> Iterable[str]:
    yield from names
    for value in attributes.values():
        if isinstance(value, tuple | list):
            yield from map(str, value)
        elif isinstance(value, str | int):
            yield str(value)


def _stem(word: str) -> str:
    """A word without the s of its plural."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
