"""Grades: a data set's own values become grades from 0.5 to 5, where 4 and more is positive.

The scale is read from the values; one that they do not tell is asked for, never guessed. What says only that somebody
had an item has no grade (NaN).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from agent.data.archive import DatasetError
from agent.data.card import Feedback
from agent.data.values import is_blank, numbers
from agent.records.state import POSITIVE

LOWEST, HIGHEST = 0.5, 5.0
NEGATIVE = 1.0
"""The grade of a thumb down."""

_SCALE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:-|\.\.|to|:|–)\s*(-?\d+(?:\.\d+)?)\s*")
_RULE = re.compile(r"\s*(?:[\w ]*?)\s*(>=|>|≥)\s*(-?\d+(?:\.\d+)?)\s*")
_YES = "like liked love loved yes true up thumbs_up thumbsup thumb_up positive helped helpful good favourite favorite"
_NO = "dislike disliked hate hated no false down thumbs_down thumbsdown thumb_down negative unhelpful bad not_helped"
_WORDS = {word: 1 for word in _YES.split()} | {word: -1 for word in _NO.split()}
_WORDS |= {"neutral": 0, "ok": 0, "okay": 0, "meh": 0}
_EVENTS = {
    1.0: "purchase purchased buy bought order ordered transaction checkout like liked love loved favourite favorite "
    "save saved bookmark subscribe download install complete completed finish finished accept accepted helped pay rent "
    "play played",
    0.5: "add_to_cart addtocart cart basket wishlist add_to_wishlist",
    0.1: "view viewed click clicked detail_view pageview page_view impression visit open opened start started read",
    -1.0: "dislike disliked remove remove_from_cart return returned refund skip skipped hide not_helped "
    "reject rejected",
}
_EVENT_WEIGHTS = {word: weight for weight, words in _EVENTS.items() for word in words.split()}
# Share of a person's items with smaller counts -> grade: the half that counts most is positive.
_RANKS = ((0.0, 2.5), (1 / 6, 3.0), (1 / 3, 3.5), (0.5, 4.0), (0.7, 4.5), (0.9, 5.0))
STAR_SCALES = ("0.5-5", "1-5")


@dataclass(frozen=True)
class Graded:
    """What values became: ``grades`` (rows,) float64, NaN where there is none; the rule; what is to be told.

    ``bad`` marks values that are neither blank nor on the scale's kind (rows,); ``dropped`` marks events of weight 0;
    ``strength`` orders several events of one person with one item: the strongest stands.
    """

    grades: npt.NDArray[np.float64]
    feedback: Feedback
    bad: npt.NDArray[np.bool_]
    dropped: npt.NDArray[np.bool_]
    strength: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user says of the feedback: ``scale`` ("1-10", "thumbs", "counts") and ``positive`` ("rating >= 7")."""

    scale: str | None = None
    positive: str | None = None


def no_values(rows: int, wanted: Wanted) -> Graded:
    """Events that say nothing but that they were: all count in full, or, with ``positive`` "none", have no grade.

    Raises:
        DatasetError: ``positive`` is a rule for values.
    """
    rule = (wanted.positive or "any").strip().casefold()
    if rule not in ("any", "none"):
        raise DatasetError(
            f"--positive {wanted.positive!r} needs a column of values, and none was found: name it with "
            "--column NAME=rating, or use --positive any (an event counts in full) or none (it says nothing)"
        )
    stated = {
        "any": "an event counts in full as positive feedback; --positive none: it says only that somebody had the item",
        "none": "an event says that somebody had the item, not how they liked it (no grade)",
    }[rule]
    grades = np.full(rows, HIGHEST if rule == "any" else np.nan)
    return Graded(grades, Feedback(kind="any", positive=rule, stated=stated), *_nothing(rows))


def grade_values(values: pd.Series, column: str, wanted: Wanted, counts: bool, usual: Sequence[str] = ()) -> Graded:
    """Grades of values on a scale, thumbs, words or (with ``counts``, or where ``scale`` says so) counts.

    ``usual``: scales that files of this layout have; taken where the values fit the first of them.

    Raises:
        DatasetError: the scale cannot be told, or what the user says is not understood.
    """
    codes, distinct = pd.factorize(values.to_numpy(), use_na_sentinel=False)
    texts = [str(value) for value in distinct]
    amount = np.bincount(codes, minlength=len(texts))
    blank = np.asarray([is_blank(text) for text in texts], dtype=bool)
    words = [_WORDS.get(re.sub(r"[\s-]+", "_", text.casefold())) for text in texts]
    own = numbers(texts)
    own[~np.isfinite(own)] = np.nan
    if any(word is not None for word in words) and not np.isfinite(own).any():
        return _of_words(codes, texts, words, blank, column, wanted)
    bad = np.isnan(own) & ~blank
    seen = own[np.isfinite(own)]
    if not len(seen):
        return Graded(np.full(len(codes), np.nan), Feedback(kind="explicit", column=column), bad[codes], *_nothing(
            len(codes))[1:])  # fmt: skip
    scale = (wanted.scale or "").strip().casefold()
    if scale == "counts" or (counts and not scale) or (not scale and not usual and _long_tailed(seen, amount, own)):
        return _of_counts(codes, own, bad, column, wanted)
    thumbs = set(seen.tolist()) <= {-1.0, 0.0, 1.0}
    if scale in ("thumbs", "yes-no") or (not scale and thumbs and len(seen) >= 2):
        if not thumbs:
            worst = next(value for value in seen if value not in (-1.0, 0.0, 1.0))
            raise DatasetError(f"{column} {worst:g} is no thumb (1, 0 or -1): give its scale, such as --scale 1-5")
        return _of_thumbs(codes, own, bad, column, down=bool((seen < 0).any()))
    low, high, why = _scale(scale, seen, column, usual)
    return _on_scale(codes, own, bad, column, low, high, why, wanted)


def grade_events(values: pd.Series, column: str, wanted: Wanted) -> Graded:
    """Grades of kinds of events (purchase, view): 5 where a kind counts in full, none for less, 1 against.

    Raises:
        DatasetError: ``wanted.positive`` gives no weights.
    """
    codes, distinct = pd.factorize(values.to_numpy(), use_na_sentinel=False)
    kinds = [str(kind) for kind in distinct]
    folded = [re.sub(r"[\s-]+", "_", kind.casefold()) for kind in kinds]
    notes: list[str] = []
    if wanted.positive and wanted.positive.strip().casefold() == "any":
        given: Mapping[str, float] = dict.fromkeys(kinds, 1.0)
    elif wanted.positive:
        given = _weights(wanted.positive)
        unknown = set(given) - set(kinds)
        if unknown:
            raise DatasetError(
                f"--positive names {min(unknown)!r}, but {column} holds {', '.join(sorted(kinds)[:8])}: use those"
            )
    else:
        given = {}
        strange = [kind for kind, name in zip(kinds, folded, strict=True) if kind and name not in _EVENT_WEIGHTS]
        if strange:
            notes.append(
                f"{column}: {', '.join(strange[:5])} taken for weak events; --positive '{strange[0]}: 1' changes it"
            )
    weights = [
        given.get(kind, 0.0) if given else _EVENT_WEIGHTS.get(name, 0.1)
        for kind, name in zip(kinds, folded, strict=True)
    ]
    found = np.asarray(weights, dtype=np.float64)
    grades = np.where(found >= 1, HIGHEST, np.where(found < 0, NEGATIVE, np.nan))
    listed = {kind: float(weight) for kind, weight in sorted(zip(kinds, weights, strict=True), key=lambda own: -own[1])}
    said = ", ".join(f"{kind or 'no kind'} {_said(weight)}" for kind, weight in list(listed.items())[:8])
    feedback = Feedback(kind="events", column=column, weights=listed, stated=f"kinds of events count so: {said}")
    nothing = np.zeros(len(codes), dtype=np.bool_)
    return Graded(grades[codes], feedback, nothing, (found == 0)[codes], np.abs(found)[codes], tuple(notes))


def _said(weight: float) -> str:
    return "in full" if weight >= 1 else "against" if weight < 0 else "left out" if weight == 0 else "as had"


def count_grades(counts: npt.NDArray[np.float64], users: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Grades of counts by rank within each person: the half that counts most is positive.

    ``counts``: (rows,), how often; NaN gives no grade; ``users``: (rows,), whose row it is.
    """
    frame = pd.DataFrame({"user": users, "count": counts})
    share = (frame.groupby("user")["count"].rank(method="average") - 0.5) / frame.groupby("user")["count"].transform(
        "count"
    )
    ranks = share.to_numpy(np.float64)
    places = np.searchsorted([start for start, _ in _RANKS], np.nan_to_num(ranks) + 1e-9, side="right") - 1
    grades = np.asarray([grade for _, grade in _RANKS])[places]
    return np.where(np.isnan(ranks), np.nan, grades)


def stored_counts(
    feedback: Feedback, counts: npt.NDArray[np.float64], users: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Grades of counts under a rule: from a number of times on, or by rank within the person."""
    if feedback.positive is None:
        return count_grades(counts, users)
    threshold = _threshold(feedback.positive)
    return np.where(np.isnan(counts), np.nan, np.where(counts >= threshold, 4.5, 3.0))


# --- the kinds of values ---------------------------------------------------------------------------------------------


def _nothing(rows: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    return np.zeros(rows, dtype=np.bool_), np.zeros(rows, dtype=np.bool_), np.zeros(rows)


def _graded(
    codes: npt.NDArray[np.int64],
    grades: npt.NDArray[np.float64],
    bad: npt.NDArray[np.bool_],
    feedback: Feedback,
    notes: tuple[str, ...] = (),
) -> Graded:
    nothing = np.zeros(len(codes), dtype=np.bool_)
    return Graded(grades[codes], feedback, bad[codes], nothing, np.zeros(len(codes)), notes)


def _of_words(
    codes: npt.NDArray[np.int64],
    texts: Sequence[str],
    words: Sequence[int | None],
    blank: npt.NDArray[np.bool_],
    column: str,
    wanted: Wanted,
) -> Graded:
    if wanted.scale not in (None, "words"):
        raise DatasetError(f"--scale {wanted.scale}: {column} holds words such as {texts[0]!r}: leave --scale out")
    grades = np.asarray(
        [{1: HIGHEST, -1: NEGATIVE}.get(0 if word is None else word, np.nan) for word in words], dtype=np.float64
    )
    bad = np.asarray([word is None for word in words], dtype=bool) & ~blank
    stated = f"{column}: words such as like and dislike, as positive and negative"
    return _graded(codes, grades, bad, Feedback(kind="explicit", column=column, scale="words", stated=stated))


def _of_thumbs(
    codes: npt.NDArray[np.int64], own: npt.NDArray[np.float64], bad: npt.NDArray[np.bool_], column: str, down: bool
) -> Graded:
    neutral = np.nan if down else NEGATIVE
    grades = np.where(own > 0, HIGHEST, np.where(own < 0, NEGATIVE, np.where(np.isnan(own), np.nan, neutral)))
    stated = f"{column}: thumbs, 1 is positive, " + ("-1 negative, 0 says neither" if down else "0 negative")
    scale = "thumbs" if down else "yes-no"
    return _graded(codes, grades, bad, Feedback(kind="explicit", column=column, scale=scale, stated=stated))


def _of_counts(
    codes: npt.NDArray[np.int64], own: npt.NDArray[np.float64], bad: npt.NDArray[np.bool_], column: str, wanted: Wanted
) -> Graded:
    if (own < 0).any():
        raise DatasetError(f"{column} {np.nanmin(own):g} is no count: give the scale of {column}, such as --scale -1-1")
    if wanted.positive:
        threshold = _threshold(wanted.positive)
        stated = f"{column}: a count, positive from {threshold:g} on"
    else:
        stated = f"{column}: a count; the half of a person's items with the largest counts is positive (by rank)"
    feedback = Feedback(kind="counts", column=column, positive=wanted.positive, stated=stated)
    return _graded(codes, own, bad, feedback)


def _on_scale(
    codes: npt.NDArray[np.int64],
    own: npt.NDArray[np.float64],
    bad: npt.NDArray[np.bool_],
    column: str,
    low: float,
    high: float,
    why: str,
    wanted: Wanted,
) -> Graded:
    span = (HIGHEST - LOWEST) / (high - low)

    def plain(value: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
        given = np.asarray(value, dtype=np.float64)
        return np.clip(given * HIGHEST / high if low >= 0 else LOWEST + (given - low) * span, LOWEST, HIGHEST)

    grades = plain(own)
    default = POSITIVE * high / HIGHEST if low >= 0 else low + (POSITIVE - LOWEST) / span
    threshold = default
    if wanted.positive:
        threshold = _threshold(wanted.positive)
        if not low < threshold <= high:
            raise DatasetError(
                f"--positive {wanted.positive!r}: {threshold:g} is not within the scale {low:g} to {high:g}"
            )
    if abs(threshold - default) > 1e-9:
        start = float(plain(low))
        below = start + (own - low) / (threshold - low) * (POSITIVE - start)
        above = (
            POSITIVE + (own - threshold) / (high - threshold) * (HIGHEST - POSITIVE) if threshold < high else HIGHEST
        )
        # What is below the line stays below it, however the number is stored.
        below = np.minimum(below, np.nextafter(POSITIVE, 0))
        grades = np.clip(np.where(own >= threshold, above, below), LOWEST, HIGHEST)
    off = np.isfinite(own) & ((own < low) | (own > high))
    grades = np.where(np.isnan(own) | off, np.nan, grades)
    notes: tuple[str, ...] = ()
    if off.any():
        rows = int(off[codes].sum())
        notes = (
            f"{column}: {rows:,} values outside the scale {low:g} to {high:g} ({own[off][0]:g}) count as no grade",
        )
    rule = f"rating >= {threshold:g}"
    stated = f"{column}: {low:g} to {high:g} ({why}), positive from {threshold:g} on"
    feedback = Feedback(kind="explicit", column=column, scale=f"{low:g}-{high:g}", positive=rule, stated=stated)
    return _graded(codes, grades, bad, feedback, notes)


def _scale(given: str, seen: npt.NDArray[np.float64], column: str, usual: Sequence[str]) -> tuple[float, float, str]:
    """Lowest and highest value of the scale, and how it is known.

    Raises:
        DatasetError: it cannot be told.
    """
    if given:
        match = _SCALE.fullmatch(given)
        if match is None or float(match[1]) >= float(match[2]):
            raise DatasetError(
                f"--scale {given!r} is no scale: write the lowest and the highest value, such as 1-5 or 0-10"
            )
        return float(match[1]), float(match[2]), "as given"
    low, high = float(seen.min()), float(seen.max())
    if usual:
        first = _SCALE.fullmatch(usual[0])
        if first is not None and low >= float(first[1]) and high <= float(first[2]):
            return float(first[1]), float(first[2]), "the scale of such files"
    halves = bool((seen % 1 != 0).any())
    many = len(seen)
    reason = "read from the values"
    if high == 5 and low >= 0 and (low <= 2 or (many >= 3 and low < 4)):
        return (0.0 if low == 0 else 0.5 if halves else 1.0), 5.0, reason
    if 8 <= high <= 10 and low >= 0 and (many >= 4 or low <= 2):
        return (0.0 if low == 0 else 1.0), 10.0, reason
    if 20 < high <= 100 and low >= 0 and many >= 5 and high >= 80:
        return 0.0, 100.0, reason
    if low < -1 and abs(low + high) <= 0.1 * high and many >= 4:
        edge = float(np.ceil(max(-low, high)))
        return -edge, edge, reason
    shown = ", ".join(f"{value:g}" for value in sorted(seen)[:6]) + (", ..." if many > 6 else "")
    raise DatasetError(
        f"the scale of {column} cannot be told from its values ({shown}): give it, such as --scale 1-5, --scale 0-10, "
        "--scale thumbs or --scale counts"
    )


def _long_tailed(seen: npt.NDArray[np.float64], amount: npt.NDArray[np.int64], own: npt.NDArray[np.float64]) -> bool:
    """Whether values look like counts: whole numbers from 0 on, many beyond any scale, small ones the most frequent."""
    if (seen < 0).any() or (seen % 1 != 0).any() or seen.max() <= 100:
        return False
    finite = np.isfinite(own)
    repeated = np.repeat(own[finite], amount[finite])
    return bool(repeated.mean() > 1.3 * np.median(repeated))


def _threshold(rule: str) -> float:
    match = _RULE.fullmatch(rule)
    if match is None:
        raise DatasetError(f"--positive {rule!r} is no rule: write 'rating >= 4', 'purchase: 1, view: .1' or any")
    number = float(match[2])
    return float(np.nextafter(number, np.inf)) if match[1] == ">" else number


def _weights(rule: str) -> Mapping[str, float]:
    text = rule.strip()
    try:
        found = yaml.safe_load(text if text.startswith("{") else "{" + text + "}")
        return {str(kind): float(weight) for kind, weight in found.items()}
    except (yaml.YAMLError, TypeError, ValueError, AttributeError):
        raise DatasetError(
            f"--positive {rule!r} gives no weights of kinds of events: write 'purchase: 1, view: .1'"
        ) from None
