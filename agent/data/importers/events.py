"""Events: rows of who had what become graded, dated interactions, and every row that is left out is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent.data.archive import DatasetError
from agent.data.card import Card, Feedback, LeftOut
from agent.data.grades import Graded, Wanted, grade_events, grade_values, no_values, stored_counts
from agent.data.tables import Problems, Table, cell
from agent.data.values import clean_name, loose_id, plain_ids, seconds, structured, times
from agent.records.state import POSITIVE

ABOUT = {
    "malformed": "malformed rows",
    "unknown_items": "events of items that the items do not have",
    "duplicates": "earlier events of an item that the same person had again later",
    "no_weight": "events of kinds that count nothing",
    "malformed_items": "malformed or repeated items",
    "malformed_others": "malformed rows of users or tags",
    "lost_tags": "tags that are empty or of unknown items",
    "lost_users": "users that are repeated or without events",
    "lost_requests": "requests that are empty or whose answer is no item",
}
"""The rules by which rows are left out."""

_SHOWN = 3


@dataclass
class Findings:
    """What was left out, by rule, with examples; and what else is to be told."""

    rows: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, rule: str, rows: int, examples: Sequence[str] = ()) -> None:
        """Count rows under a rule."""
        if rows:
            self.rows[rule] = self.rows.get(rule, 0) + rows
            own = self.examples.setdefault(rule, [])
            own += list(examples)[: _SHOWN - len(own)]

    def left_out(self) -> tuple[LeftOut, ...]:
        """For the card."""
        return tuple(
            LeftOut(rule=rule, about=about, rows=self.rows[rule], examples=tuple(self.examples.get(rule, ())))
            for rule, about in ABOUT.items() if rule in self.rows
        )  # fmt: skip


@dataclass(frozen=True)
class Parsed:
    """The tables of one data set, unsorted, and its card; columns as in :class:`agent.data.dataset.Dataset`."""

    ratings: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame | None
    tags: pd.DataFrame | None
    requests: pd.DataFrame | None
    card: Card


@dataclass(frozen=True)
class Graduated:
    """Events that were kept: user, item, rating (the grade), timestamp; how many rows there were; the rule."""

    ratings: pd.DataFrame
    rows: int
    feedback: Feedback
    positive_share: float | None


def no_events() -> Graduated:
    """Content only."""
    empty = pd.DataFrame(
        {
            "user": pd.Series([], dtype=object),
            "item": pd.Series([], dtype=object),
            "rating": pd.Series([], dtype=np.float64),
            "timestamp": pd.Series([], dtype=np.int64),
        }
    )
    return Graduated(empty, 0, Feedback(kind="none", stated="no events: only what is known of the items counts"), None)


def checked_items(items: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """The items that have an id and a title, each once."""
    empty = ((items["item"] == "") | (items["title"] == "")).to_numpy()
    double = items["item"].duplicated().to_numpy() & ~empty
    examples = [
        f"item {items['item'].iloc[row]!r}, {items['title'].iloc[row]!r}: "
        + ("no id or title" if empty[row] else "repeated item")
        for row in np.flatnonzero(empty | double)[:_SHOWN]
    ]
    findings.add("malformed_items", int((empty | double).sum()), examples)
    return items[~(empty | double)].reset_index(drop=True)


def graduated(
    table: Table,
    roles: Mapping[str, str],
    items: pd.Series,
    wanted: Wanted,
    problems: Problems,
    findings: Findings,
    usual: Sequence[str] = (),
) -> Graduated:
    """Rows of events as graded, dated interactions.

    ``roles``: role (item, user, rating, count, event, time, session) -> column.

    Raises:
        DatasetError: no row can be used, or the feedback cannot be told; the message names file, line and column.
    """
    frame = table.frame
    skipped = problems.skipped.pop(table.name, 0)
    findings.add("malformed", skipped, problems.examples.pop(table.name, []))
    rows = len(frame) + skipped
    user = _users(frame, roles)
    if user is None:
        findings.notes.append(
            f"{table.name} has no column of users or sessions: only what is known of the items counts"
        )
        return Graduated(no_events().ratings, rows, no_events().feedback, None)
    item = _matched(plain_ids(frame[roles["item"]]), items)
    graded = _grades(frame, roles, wanted, usual)
    findings.notes += graded.notes
    stamps, doubtful = _times(frame, roles)
    bad = ((user == "") | (item == "")).to_numpy() | graded.bad
    dropped = ~bad & graded.dropped
    lost = ~bad & ~dropped & ~item.isin(frozenset(items)).to_numpy()

    def shown(mask: npt.NDArray[np.bool_], why: str) -> list[str]:
        return [
            f"{table.name}, about line {table.first_line + int(row)}: {why}: {list(map(cell, frame.iloc[row]))}"
            for row in np.flatnonzero(mask)[:_SHOWN]
        ]

    why = f"no user, no item, or no number in {graded.feedback.column}" if graded.bad.any() else "no user or no item"
    keep = ~(bad | dropped | lost)
    if 2 * int(bad.sum()) > len(frame) or not keep.any():
        example = (shown(bad, why) or shown(lost, "unknown item") or problems.examples.get(table.name) or [""])[0]
        example = example or f"{table.name}, line {table.first_line}: no row follows"
        raise DatasetError(
            f"{table.name} holds no readable ratings or events ({int(bad.sum()) + skipped} of {rows} malformed, "
            f"{int(lost.sum())} of unknown items): {example}: check --column and the file"
        )
    findings.add("malformed", int(bad.sum()), shown(bad, why))
    findings.add("no_weight", int(dropped.sum()), shown(dropped, "counts nothing"))
    findings.add("unknown_items", int(lost.sum()), shown(lost, "unknown item"))
    doubtful &= keep
    if doubtful.any():
        where = shown(doubtful, f"no time in {roles['time']}")[0]
        findings.notes.append(
            f"{int(doubtful.sum()):,} events have no readable time; their neighbours' stands for it: {where}"
        )
    kept = np.flatnonzero(keep)
    events = pd.DataFrame(
        {
            "user": user.to_numpy(dtype=object)[kept],
            "item": item.to_numpy(dtype=object)[kept],
            "rating": graded.grades[kept],
            "timestamp": stamps[kept],
        }
    )
    events, again = _once(events, graded.strength[kept], graded.feedback.kind == "counts")
    mask = np.zeros(len(frame), dtype=np.bool_)
    mask[kept[again]] = True
    findings.add("duplicates", int(again.sum()), shown(mask, "rated again later"))
    if graded.feedback.kind == "counts":
        people = pd.factorize(events["user"])[0]
        grades = stored_counts(graded.feedback, events["rating"].to_numpy(np.float64), people)
        events = events.assign(rating=grades)
    valued = graded.feedback.kind != "any"
    if not events["timestamp"].isna().any():
        events = events.assign(timestamp=events["timestamp"].astype(np.int64))
    else:
        findings.notes.append("no times: the order of the file stands for them")
    return Graduated(events, rows, graded.feedback, _positive_share(events["rating"], findings, events, valued))


def _positive_share(grades: pd.Series, findings: Findings, events: pd.DataFrame, valued: bool) -> float | None:
    """The share of positive grades; what cannot be learned from so few or such even grades is noted."""
    known = grades.dropna()
    people = events["user"].nunique()
    if people < 2:
        findings.notes.append("one person only: nothing can be learned from what others had")
    elif len(events) < 2 * people:
        findings.notes.append("hardly anybody has two events: what comes next cannot be learned")
    if valued and len(known) and ((known >= POSITIVE).all() or not (known >= POSITIVE).any()):
        which = "positive" if known.iloc[0] >= POSITIVE else "negative"
        findings.notes.append(f"all grades are {which}: what is liked cannot be told from what is not")
    return round(float((known >= POSITIVE).mean()), 4) if len(known) else None


def _users(frame: pd.DataFrame, roles: Mapping[str, str]) -> pd.Series | None:
    """Who did it: the person, or where there is none the session; None where neither is known."""
    session = "session " + frame[roles["session"]] if "session" in roles else None
    if session is not None:
        session = session.where(frame[roles["session"]] != "", "")
    if "user" not in roles:
        return session
    user = plain_ids(frame[roles["user"]])
    return user.where(user != "", session) if session is not None else user


def _matched(ids: pd.Series, items: pd.Series) -> pd.Series:
    """The ids as the items write them: "tt0114709" or 114709 for 0114709, where they fit in no other way."""
    distinct = pd.unique(ids)
    known = frozenset(items)
    missing = [own for own in distinct if own not in known]
    if len(missing) <= 0.5 * len(distinct):
        return ids
    loose = {loose_id(own): own for own in items}
    if len(loose) < len(known):
        return ids
    return ids.map({own: own if own in known else loose.get(loose_id(own), own) for own in distinct})


def _grades(frame: pd.DataFrame, roles: Mapping[str, str], wanted: Wanted, usual: Sequence[str]) -> Graded:
    if "rating" in roles:
        return grade_values(frame[roles["rating"]], roles["rating"], wanted, counts=False, usual=usual)
    if "event" in roles:
        return grade_events(frame[roles["event"]], roles["event"], wanted)
    if "count" in roles:
        return grade_values(frame[roles["count"]], roles["count"], wanted, counts=True)
    return no_values(len(frame), wanted)


def _times(frame: pd.DataFrame, roles: Mapping[str, str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Seconds since 1970, and which rows took theirs from a neighbour; all NaN where no column can be read."""
    rows = len(frame)
    nothing = np.full(rows, np.nan), np.zeros(rows, dtype=np.bool_)
    if "time" not in roles or not rows:
        return nothing
    column = frame[roles["time"]]
    # Numbers such as 20150607 are dates.
    if column.dtype == np.float64 and not column.between(19_000_101, 21_001_231).all():
        stamps = seconds(column.to_numpy(np.float64))
    else:
        codes, distinct = pd.factorize(column.to_numpy())
        stamps = times([cell(value) for value in distinct])[codes]
    unknown = np.isnan(stamps)
    if 2 * int(unknown.sum()) > rows:
        return nothing
    filled: npt.NDArray[np.float64] = np.asarray(pd.Series(stamps).ffill().bfill(), dtype=np.float64)
    return filled, np.asarray(unknown, dtype=np.bool_)


def _once(
    events: pd.DataFrame, strength: npt.NDArray[np.float64], add: bool
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Each person's item once: the strongest event, of equals the latest that has a grade; or with counts added up.

    Equal times leave it to the order of the file. Returns the events and which of the given ones went.
    """
    stamps = np.nan_to_num(events["timestamp"].to_numpy(np.float64))
    order = np.lexsort((stamps, events["rating"].notna().to_numpy(), strength))
    again = events.iloc[order].duplicated(["user", "item"], keep="last").sort_index().to_numpy()
    if not again.any():
        return events.reset_index(drop=True), again
    if add:
        events = events.assign(rating=events.groupby(["user", "item"], sort=False)["rating"].transform("sum"))
    return events[~again].reset_index(drop=True), again


# --- rows that hold a whole history ----------------------------------------------------------------------------------


def expanded(table: Table, user: str | None, history: str, item: str | None) -> Table:
    """Rows with lists of items as one row an event, in order.

    Of several rows of one person, those that go on from one another are put together; what they share counts once.
    The columns of the result are ``user`` and ``item``.
    """
    sequences: dict[str, list[str]] = {}
    people = table.frame[user] if user is not None else pd.Series([str(row) for row in range(len(table.frame))])
    last = table.frame[item] if item is not None else pd.Series([""] * len(table.frame))
    for person, past, target in zip(people, table.frame[history], last, strict=True):
        own = [*_listed(past), *([target] if target else [])]
        sequences[person] = _continued(sequences[person], own) if person in sequences else own
    rows = [(person, own) for person, sequence in sequences.items() for own in sequence]
    frame = pd.DataFrame({"user": [own[0] for own in rows], "item": [own[1] for own in rows]}, dtype=object)
    return Table(table.name, frame, table.first_line, types={})


def _listed(text: str) -> list[str]:
    value = structured(text)
    if isinstance(value, list):
        return [clean_name(str(own)) for own in value]
    return [part for part in text.replace(",", " ").replace("|", " ").split() if part]


def _continued(known: list[str], own: list[str]) -> list[str]:
    """Two stretches of one sequence put together at their overlap; without one, the second comes after the first."""
    size = len(own)
    if any(known[start : start + size] == own for start in _starts(known, own[:1])):
        return known
    if any(own[start : start + len(known)] == known for start in _starts(own, known[:1])):
        return own
    for first, second in ((known, own), (own, known)):
        for shared in range(min(len(first), len(second)) - 1, 0, -1):
            if first[-shared:] == second[:shared]:
                return first + second[shared:]
    return known + own


def _starts(sequence: Sequence[str], first: Sequence[str]) -> Iterator[int]:
    return (place for place, own in enumerate(sequence) if [own] == list(first))
