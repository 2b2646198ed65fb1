"""Fields of a log's row, checked; every error names the row and the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from agent.records.impression import Outcome

_ROUNDING = 1e-4
"""How far above 1 a probability, or from 1 a distribution's sum, may be."""


class LogError(ValueError):
    """The log cannot be read; the message names the row and the field."""


def is_number(value: Any) -> bool:
    """Whether a value is a finite number (not a truth value)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def ids(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """A list of different item ids.

    Raises:
        LogError: it is none.
    """
    values = _list(row, name, where)
    for value in values:
        if not isinstance(value, str) or not value:
            raise LogError(f"{where}: field {name!r}: {value!r} is no item id: give non-empty strings")
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise LogError(f"{where}: field {name!r}: item {twice!r} is there twice")
    return tuple(values)


def numbers(row: Mapping[str, Any], name: str, where: str, size: int) -> tuple[float, ...]:
    """A list of ``size`` finite numbers.

    Raises:
        LogError: it is none.
    """
    values = _list(row, name, where)
    if len(values) != size:
        raise LogError(f"{where}: field {name!r}: {len(values)} values where {size} belong")
    for value in values:
        if not is_number(value):
            raise LogError(f"{where}: field {name!r}: {value!r} is not a finite number")
    return tuple(float(value) for value in values)


def probabilities(row: Mapping[str, Any], name: str, where: str, size: int) -> tuple[float, ...]:
    """A list of ``size`` probabilities; one over the candidates must sum to 1 at most.

    Raises:
        LogError: it is none.
    """
    values = numbers(row, name, where, size)
    for value in values:
        if not 0 <= value <= 1 + _ROUNDING:
            raise LogError(f"{where}: field {name!r}: {value} is not a probability")
    if "candidate" in name and math.fsum(values) > 1 + _ROUNDING:
        raise LogError(f"{where}: field {name!r} sums to {math.fsum(values)}: probabilities of coming first sum to 1")
    return tuple(min(1.0, value) for value in values)


def features(row: Mapping[str, Any], name: str, where: str, size: int) -> tuple[tuple[float, ...], ...]:
    """A list of ``size`` lists of as many numbers each.

    Raises:
        LogError: it is none.
    """
    values = _list(row, name, where)
    if len(values) != size:
        raise LogError(f"{where}: field {name!r}: {len(values)} lists where {size} belong")
    width = len(values[0]) if values and isinstance(values[0], list) else 0
    return tuple(numbers({name: value}, name, where, width) for value in values)


def outcomes(row: Mapping[str, Any], where: str) -> list[Outcome]:
    """The field "outcomes", as :meth:`agent.store.feedback.FeedbackLog.export` writes it.

    Raises:
        LogError: one is malformed, or of an item that was not shown.
    """
    found = []
    for place, entry in enumerate(_list(row, "outcomes", where)):
        try:
            if not isinstance(entry, dict):
                raise TypeError(f"an object is needed, not {type(entry).__name__}")
            outcome = Outcome(**{"conversation_id": "?", "impression_id": "?", **entry})
            if outcome.item_id not in row["slate"]:
                raise ValueError(f"item {outcome.item_id!r} is not on the slate")
        except (ValueError, TypeError) as error:
            raise LogError(f"{where}: field 'outcomes', entry {place + 1}: {error}") from None
        found.append(outcome)
    return found


def _list(row: Mapping[str, Any], name: str, where: str) -> list[Any]:
    if name not in row:
        raise LogError(f"{where}: field {name!r} is missing")
    if not isinstance(row[name], list):
        raise LogError(f"{where}: field {name!r} must be a list, not {type(row[name]).__name__}")
    return list(row[name])
