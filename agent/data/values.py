"""Values: what the cells of foreign tables mean: lists in one cell, times, amounts, ids."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

BLANK = frozenset({"", "nan", "null", "none", "n/a", "na", "\\n", "nat", "<na>"})
"""Cells that say nothing, in lower case."""

_AMOUNT = re.compile(
    r"(?P<before>[$£€¥₹]|usd|eur|gbp|us\$)?\s*"
    r"(?P<number>-?\d{1,3}(?:[ ,’']\d{3})+(?:\.\d+)?|-?\d+(?:[.,]\d+)?|-?\.\d+)\s*"
    r"(?P<after>[$£€¥₹]|usd|eur|gbp|[a-z%²³]{1,9}\.?)?",
    re.IGNORECASE,
)
_CURRENCY = {"usd": "$", "us$": "$", "eur": "€", "gbp": "£"}
_NAME_KEYS = ("name", "title", "label", "value", "text", "id")
_HUGE = 4_102_444_800.0  # the year 2100: a count of seconds beyond it counts something smaller
_YEAR_DATE = re.compile(r"(?<!\d)(1[0-9]\d\d|20\d\d)(?!\d)")


def is_blank(value: str) -> bool:
    """Whether a cell says nothing."""
    return value.casefold() in BLANK


def clean_name(text: str) -> str:
    """A name or title on one line, with entities such as ``&amp;`` as the signs they stand for."""
    return " ".join((html.unescape(text) if "&" in text else text).split())


def structured(text: str) -> list[Any] | dict[str, Any] | None:
    """A cell that is written as a JSON or Python list or object; None for any other text."""
    if text[:1] not in "[{(" or text[-1:] not in "]})":
        return None
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if isinstance(value, tuple | set):
        value = list(value)
    return value if isinstance(value, list | dict) else None


def names_in(text: str, separator: str | None) -> list[str]:
    """The names that one cell holds: a list, a list of objects with names, or text with a separator between them."""
    if is_blank(text):
        return []
    value = structured(text)
    if value is not None:
        found: list[str] = []
        _gather(value, found)
    elif separator == " ":
        found = text.split()
    else:
        found = text.split(separator.strip() or separator) if separator else [text]
    cleaned = (clean_name(name) for name in found)
    return list(dict.fromkeys(name for name in cleaned if not is_blank(name)))


def _gather(value: Any, found: list[str]) -> None:
    if isinstance(value, list | tuple):
        for part in value:
            _gather(part, found)
    elif isinstance(value, dict):
        key = next((key for key in _NAME_KEYS if value.get(key) not in (None, "")), None)
        if key is not None:
            found.append(str(value[key]))
        else:
            found += [str(name) for name, has in value.items() if has is True]
    elif value is not None:
        found.append(str(value))


def text_in(text: str) -> str:
    """Running text: a list of paragraphs becomes one, tags of HTML go."""
    value = structured(text)
    if isinstance(value, list):
        text = " ".join(str(part) for part in value)
    if "<" in text:
        text = re.sub(r"<[^<>]{1,200}>", " ", text)
    return clean_name(text)


def number_in(text: str) -> float:
    """The number in a cell such as "12.50", "$1,200", "750 ml" or "1h 52min" (in minutes); NaN without one."""
    text = text.strip()
    hours = re.fullmatch(r"(?:(\d+)\s*h(?:ours?|rs?)?)?\s*(?:(\d+)\s*m(?:in(?:utes?|s)?)?)?\.?", text, re.IGNORECASE)
    if hours and (hours[1] or (hours[2] and "m" in text.lower())):
        return 60.0 * int(hours[1] or 0) + int(hours[2] or 0)
    clock = re.fullmatch(r"(\d{1,2}):(\d\d):(\d\d)", text)
    if clock:
        return 60.0 * int(clock[1]) + int(clock[2]) + int(clock[3]) / 60
    match = _AMOUNT.fullmatch(text)
    if match is None:
        try:
            return float(text) if np.isfinite(float(text)) else float("nan")
        except ValueError:
            return float("nan")
    number = match["number"]
    if re.fullmatch(r"-?\d+,\d{1,2}", number):
        number = number.replace(",", ".")
    return float(re.sub(r"[ ,’']", "", number))


def unit_in(text: str) -> str | None:
    """The currency or unit beside a number: "$", "ml"."""
    match = _AMOUNT.fullmatch(text.strip())
    unit = match and (match["before"] or match["after"])
    return _CURRENCY.get(unit.lower(), unit) if unit else None


def year_in(text: str) -> int | None:
    """The year in a cell: of a date in any order, or on its own."""
    match = _YEAR_DATE.search(text)
    return int(match[1]) if match else None


def numbers(values: Sequence[str]) -> npt.NDArray[np.float64]:
    """Plain numbers, NaN where a value is none."""
    found = pd.to_numeric(pd.Series(list(values), dtype=object), errors="coerce")
    return found.to_numpy(np.float64, na_value=np.nan)


def times(values: Sequence[str]) -> npt.NDArray[np.float64]:
    """Seconds since 1970 (UTC) of times given as seconds, milli-, micro- or nanoseconds or as dates; NaN otherwise.

    One unit holds for all the numbers. Numbers that are too small for dates (an order) stay as they are.
    """
    found = seconds(numbers(values))
    compact = np.asarray([len(v) == 8 and v.isdecimal() and v[:2] in ("19", "20") for v in values], dtype=bool)
    rest = np.flatnonzero(np.isnan(found) | (compact if compact.all() else False))
    if len(rest):
        texts = pd.Series([values[row] for row in rest.tolist()], dtype=object)
        plain = texts.str.fullmatch(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
        dates = texts.str.contains(r"\d") & (texts.str.len() < 40) & ~plain
        found[rest] = _dates(texts if compact.all() else texts.where(dates, None))
    return found


def seconds(found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Seconds since 1970 of times counted in seconds, milli-, micro- or nanoseconds, whichever fits most of them."""
    found = np.where(np.isfinite(found) & (np.abs(found) <= 1e20), found, np.nan)
    usual = float(np.nanmedian(np.abs(found))) if np.isfinite(found).any() else 0.0
    factor = next((own for own in (1e9, 1e6, 1e3) if usual > _HUGE * own / 10), 1.0)
    found = np.trunc(found / factor)
    found[np.abs(found) > _HUGE * 10] = np.nan
    return found


def _dates(texts: pd.Series) -> npt.NDArray[np.float64]:
    parsed = pd.to_datetime(texts, errors="coerce", utc=True, format="mixed")
    if parsed.isna().mean() > texts.isna().mean() + 0.2:  # days before months, as most of the world writes them
        parsed = parsed.fillna(pd.to_datetime(texts, errors="coerce", utc=True, format="mixed", dayfirst=True))
    seconds = parsed.astype("int64").to_numpy() / 1e9 if len(parsed) else np.empty(0)
    result: npt.NDArray[np.float64] = np.where(parsed.isna().to_numpy(), np.nan, seconds)
    return result


def loose_id(text: str) -> str:
    """An id without what tables write in different ways: "tt0114709", "0114709", "114709" and "114709.0" are one."""
    text = text.strip().casefold()
    match = re.fullmatch(r"(?:tt)?0*(\d+)(?:\.0+)?", text)
    return match[1] if match else text


def plain_ids(values: pd.Series) -> pd.Series:
    """Ids as they are, but "12.0" as "12" where a whole column of whole numbers was written so."""
    distinct = pd.unique(values)
    if any(distinct) and all(own.endswith(".0") for own in distinct if own):
        return values.map({own: own.removesuffix(".0") for own in distinct})
    return values
