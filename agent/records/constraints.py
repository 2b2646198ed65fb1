"""Constraints: the part of a wish that the catalogue's own data can decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from agent.records.conditions import Condition, Conditions, Strength, bounds, unwanted, wanted


@dataclass(frozen=True, slots=True)
class Constraints:
    """Hard conditions on an item; the default lets everything through.

    ``genres`` is a conjunction of disjunctions: ``({"Comedy", "Romance"}, {"War"})`` means (comedy or romance)
    and war. Years are inclusive. ``rating_min`` is a floor on the item's mean rating, in stars. ``excluded`` holds
    catalogue indices that must not be shown. ``unchecked`` holds the wishes, in the user's words, that the data
    cannot decide; they bind nothing, and the reply names them. ``without_years`` holds ranges (first, last) that are
    left out. ``viewers_min`` / ``viewers_max`` bound the number of ratings of an item, which tells how well known it
    is. ``tags`` / ``without_tags`` are tags of the catalogue: an item must have all, or none, of them. ``soft`` names
    the fields, genres and tags that are only preferred: they filter as well, and are the first to be given up.
    """

    genres: tuple[frozenset[str], ...] = ()
    without_genres: frozenset[str] = frozenset()
    year_min: int | None = None
    year_max: int | None = None
    rating_min: float | None = None
    excluded: frozenset[int] = frozenset()
    unchecked: tuple[str, ...] = field(default=())
    without_years: tuple[tuple[int, int], ...] = ()
    viewers_min: int | None = None
    viewers_max: int | None = None
    tags: tuple[str, ...] = ()
    without_tags: frozenset[str] = frozenset()
    soft: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether anything is asked for (``unchecked`` wishes do not count)."""
        return any(
            (
                self.genres,
                self.without_genres,
                self.year_min is not None,
                self.year_max is not None,
                self.rating_min is not None,
                self.excluded,
                self.without_years,
                self.viewers_min is not None,
                self.viewers_max is not None,
                self.tags,
                self.without_tags,
            )
        )

    def __iter__(self) -> Iterator[Condition]:
        """The same as conditions on facets, but for what is excluded or unchecked."""

        def strength(*names: str) -> Strength:
            return "prefer" if any(name in self.soft for name in names) else "must"

        for group in self.genres:
            yield Condition("genre", "is", tuple(sorted(group)), strength(*group))
        if self.without_genres:
            yield Condition("genre", "is_not", tuple(sorted(self.without_genres)), strength(*self.without_genres))
        for facet, low, high, names in (
            ("year", self.year_min, self.year_max, ("year_min", "year_max")),
            ("rating", self.rating_min, None, ("rating_min",)),
            ("popularity", self.viewers_min, self.viewers_max, ("viewers_min", "viewers_max")),
        ):
            if low is not None and high is not None:
                yield Condition(facet, "between", (low, high), strength(*names))
            elif low is not None:
                yield Condition(facet, "at_least", low, strength(*names))
            elif high is not None:
                yield Condition(facet, "at_most", high, strength(*names))
        for span in self.without_years:
            yield Condition("year", "is_not", span, strength("without_years"))
        for tag in self.tags:
            yield Condition("tag", "is", (tag,), strength(tag))
        if self.without_tags:
            yield Condition("tag", "is_not", tuple(sorted(self.without_tags)), strength(*self.without_tags))

    def parts(self) -> dict[str, Any]:
        """As the fields of :class:`agent.records.state.State`."""
        return {"conditions": tuple(self), "hints": self.unchecked, "excluded": self.excluded}

    @classmethod
    def of(cls, conditions: Conditions, hints: tuple[str, ...], excluded: frozenset[int]) -> Constraints:
        """The inverse of :meth:`parts`."""

        def bound(facet: str) -> tuple[Any, Any]:
            low, high = bounds(conditions, facet)
            whole = facet != "rating"
            return tuple(None if own is None else int(own) if whole else own for own in (low, high))  # type: ignore[return-value]

        soft = {name for own in conditions if own.strength == "prefer" for name in own.names}
        for facet, low, high in (("year", "year_min", "year_max"), ("popularity", "viewers_min", "viewers_max")):
            for own in conditions:
                if own.facet == facet and own.strength == "prefer" and not own.negative:
                    soft |= {name for name, end in zip((low, high), own.span, strict=True) if end is not None}
        years, known = bound("year"), bound("popularity")
        return cls(
            tuple(frozenset(group) for group in wanted(conditions, "genre")),
            unwanted(conditions, "genre"),
            *years,
            bound("rating")[0],
            excluded,
            hints,
            tuple(
                (int(own.span[0] or 0), int(own.span[1] or 0))
                for own in conditions
                if own.facet == "year" and own.negative
            ),
            *known,
            tuple(name for group in wanted(conditions, "tag") for name in group),
            unwanted(conditions, "tag"),
            frozenset(soft),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, for logs and ``--json``; sets become sorted lists."""
        return {
            "genres": [sorted(group) for group in self.genres],
            "without_genres": sorted(self.without_genres),
            "year_min": self.year_min,
            "year_max": self.year_max,
            "rating_min": self.rating_min,
            "excluded": sorted(self.excluded),
            "unchecked": list(self.unchecked),
            "without_years": [list(span) for span in self.without_years],
            "viewers_min": self.viewers_min,
            "viewers_max": self.viewers_max,
            "tags": list(self.tags),
            "without_tags": sorted(self.without_tags),
            "soft": sorted(self.soft),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Constraints:
        """The inverse of :meth:`to_json`.

        Raises:
            ValueError: a key is unknown (the message names it and lists the known ones).
        """
        known = {f for f in cls.__slots__}
        unknown = set(data) - known
        if unknown:
            raise ValueError(f"unknown constraint {sorted(unknown)[0]!r}: use one of {', '.join(sorted(known))}")
        return cls(
            genres=tuple(frozenset(group) for group in data.get("genres", ())),
            without_genres=frozenset(data.get("without_genres", ())),
            year_min=data.get("year_min"),
            year_max=data.get("year_max"),
            rating_min=data.get("rating_min"),
            excluded=frozenset(data.get("excluded", ())),
            unchecked=tuple(data.get("unchecked", ())),
            without_years=tuple((int(first), int(last)) for first, last in data.get("without_years", ())),
            viewers_min=data.get("viewers_min"),
            viewers_max=data.get("viewers_max"),
            tags=tuple(data.get("tags", ())),
            without_tags=frozenset(data.get("without_tags", ())),
            soft=frozenset(data.get("soft", ())),
        )

    def excluding(self, items: frozenset[int] | set[int]) -> Constraints:
        """The same constraints with more items excluded."""
        return replace(self, excluded=self.excluded | frozenset(items))
