"""Standing: what stands after a message, from what stood before and what the message says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.records.constraints import Constraints

if TYPE_CHECKING:
    from agent.understanding.parser import Understanding


def merge(previous: Constraints, understanding: Understanding) -> Constraints:
    """What stands after a message.

    Genres add up, unless the message replaces them ("actually, a comedy"); one that it drops goes; a genre that was
    unwanted and is now wanted is wanted, and the other way round. A new decade replaces the years, an open end ("after
    1990") replaces its own side, and the other side too where both cannot hold. A new rating floor replaces the old,
    as do bounds on how well known a film is. Exclusions, tags and unchecked wishes add up. What was only preferred and
    is now asked for stays. After "start over" only the message itself counts.
    """
    new = understanding.constraints
    if understanding.intent == "reset":
        return new
    gone = understanding.replaces
    mistaken = {old for old, _ in understanding.corrections}
    kept = () if "genres" in gone else previous.genres
    kept = tuple(group - understanding.dropped for group in kept if group - understanding.dropped)
    kept = tuple(group - new.without_genres for group in kept if group - new.without_genres)
    wanted = frozenset(genre for group in new.genres for genre in group)
    without = frozenset() if "without_genres" in gone else previous.without_genres - understanding.dropped - wanted
    year_min = new.year_min if new.year_min is not None or "year_min" in gone else previous.year_min
    year_max = new.year_max if new.year_max is not None or "year_max" in gone else previous.year_max
    if year_min is not None and year_max is not None and year_min > year_max:
        year_min, year_max = new.year_min, new.year_max
    rating = new.rating_min if new.rating_min is not None or "rating_min" in gone else previous.rating_min
    few = new.viewers_max if new.viewers_max is not None or "viewers_max" in gone else previous.viewers_max
    many = new.viewers_min if new.viewers_min is not None or "viewers_min" in gone else previous.viewers_min
    if few is not None and many is not None and many > few:
        many, few = new.viewers_min, new.viewers_max
    gaps = () if {"year_min", "year_max"} <= gone else previous.without_years
    tags = tuple(tag for tag in previous.tags if tag not in new.without_tags)
    stated = wanted | new.without_genres | frozenset(new.tags) | new.without_tags
    stated |= {field for field in ("year_min", "year_max", "rating_min") if getattr(new, field) is not None}
    merged = Constraints(
        genres=tuple(dict.fromkeys([*kept, *new.genres])),
        without_genres=without | new.without_genres,
        year_min=year_min,
        year_max=year_max,
        rating_min=rating,
        excluded=(previous.excluded - mistaken) | new.excluded,
        unchecked=tuple(dict.fromkeys([*previous.unchecked, *new.unchecked])),
        without_years=tuple(dict.fromkeys([*gaps, *new.without_years])),
        viewers_min=many,
        viewers_max=few,
        tags=tuple(dict.fromkeys([*tags, *new.tags])),
        without_tags=(previous.without_tags - frozenset(new.tags)) | new.without_tags,
    )
    return _with_soft(merged, (previous.soft - stated) | new.soft)


def _with_soft(constraints: Constraints, soft: frozenset[str]) -> Constraints:
    """Only what stands can be soft."""
    standing = {genre for group in constraints.genres for genre in group} | constraints.without_genres
    standing |= set(constraints.tags) | constraints.without_tags
    for field in ("year_min", "year_max", "rating_min", "viewers_min", "viewers_max"):
        standing |= {field} if getattr(constraints, field) is not None else set()
    standing |= {"without_years"} if constraints.without_years else set()
    return replace(constraints, soft=frozenset(soft & standing))
