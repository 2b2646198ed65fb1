"""Logged slate: an impression with what came of it, read from the feedback log or from its export."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from agent.feedback import EXPORT_FORMAT, FeedbackLog
from agent.impression import Impression, Outcome
from agent.taste import LIKED
from agent.turn import STARS


class LogError(ValueError):
    """An exported log cannot be read; the message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person made of one item shown.

    ``clicked`` says whether they took it up; ``rating`` is in stars (None: not said); ``told`` is False where nothing
    was done with the item at all.
    """

    clicked: bool = False
    rating: float | None = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class LoggedSlate:
    """An impression with its outcomes in the order of recording."""

    impression: Impression
    outcomes: tuple[Outcome, ...]

    def verdicts(self, liked: float = LIKED) -> tuple[Verdict, ...]:
        """One for each item of the slate; a rating of at least ``liked`` stars counts as a click, one below as none."""
        return tuple(
            verdict([o for o in self.outcomes if o.item_id == item], liked=liked) for item in self.impression.slate
        )


def verdict(outcomes: Sequence[Outcome], liked: float = LIKED) -> Verdict:
    """What the outcomes of one item, in their order, come to; the latest word stands.

    "liked" and "more" count as a click and 5 stars, "disliked" and "less" as no click and 1 star; "seen" says nothing
    of the film's worth; "removed" takes back what was said before it.
    """
    found = Verdict()
    for outcome in outcomes:
        match outcome.kind:
            case "removed":
                found = Verdict()
            case "clicked":
                # Opening the card of a film that was called bad does not make it good.
                found = Verdict(found.clicked or found.rating is None, found.rating, told=True)
            case "seen":
                found = Verdict(found.clicked, found.rating, told=True)
            case "rated":
                stars = outcome.value
                found = Verdict(stars is not None and stars >= liked, stars, told=True)
            case _:
                stars = STARS[outcome.kind]
                found = Verdict(stars is not None and stars >= liked, stars, told=True)
    return found


def read_slates(log: FeedbackLog | Path, since: float | None = None) -> Iterator[LoggedSlate]:
    """The impressions with their outcomes, in the order of recording.

    Args:
        log: the feedback log, or the file that :meth:`agent.feedback.FeedbackLog.export` wrote.
        since: only impressions from this time on, in seconds since 1970.

    Raises:
        LogError: a line of the file is not what the export writes.
        OSError: the file cannot be read.
    """
    if isinstance(log, Path):
        yield from _read_export(log, since)
        return
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in log.outcomes():
        if outcome.impression_id is not None:
            outcomes[outcome.impression_id].append(outcome)
    for impression in log.impressions(since):
        yield LoggedSlate(impression, tuple(outcomes.get(impression.id, ())))


def _read_export(path: Path, since: float | None) -> Iterator[LoggedSlate]:
    known = {field.name for field in fields(Impression)}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                data = json.loads(line)
                if data["format"] != EXPORT_FORMAT:
                    raise ValueError(f"format {data['format']!r}, this version reads {EXPORT_FORMAT}")
                impression = Impression(**{name: value for name, value in data.items() if name in known})
                outcomes = tuple(
                    Outcome(impression_id=impression.id, conversation_id=impression.conversation_id, **outcome)
                    for outcome in data["outcomes"]
                )
            except (ValueError, TypeError, KeyError) as error:
                raise LogError(f"{path}, line {number}: {error}; give a file that the log's export wrote") from error
            if since is None or impression.timestamp >= since:
                yield LoggedSlate(impression, outcomes)
