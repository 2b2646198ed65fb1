"""Conditions: the part of a wish that the catalogue's own facets can decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

Op = Literal["is", "is_not", "at_least", "at_most", "between"]
Strength = Literal["must", "prefer"]
Scope = Literal["turn", "topic", "standing"]
Names = tuple[str, ...]
Span = tuple[float, float]

OPS, STRENGTHS, SCOPES = get_args(Op), get_args(Strength), get_args(Scope)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on one facet of an item.

    ``op`` and ``value`` belong together: ``is`` holds values of which an item must have one, ``is_not`` values of which
    it must have none; ``at_least`` and ``at_most`` an inclusive bound, in the facet's unit; ``between`` an inclusive
    span. ``is_not`` on a number holds a span that is left out. Several conditions hold together.

    ``strength`` "prefer" filters as well while anything is left, and is the first to be given up. ``scope`` says how
    long it lasts: this answer (``turn``), until a new wish opens another ``topic``, or for good (``standing``: "never
    horror").
    """

    facet: str
    op: Op
    value: Names | Span | float
    strength: Strength = "must"
    scope: Scope = "topic"

    def __post_init__(self) -> None:
        """Check that the value fits the operator.

        Raises:
            ValueError: it does not, or a field has an unknown word (the message names it and the choices).
        """
        for name, known in (("op", OPS), ("strength", STRENGTHS), ("scope", SCOPES)):
            if getattr(self, name) not in known:
                raise ValueError(f"condition on {self.facet!r}: {name} {getattr(self, name)!r} is none of {known}")
        number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        span = isinstance(self.value, tuple) and len(self.value) == 2 and not isinstance(self.value[0], str)
        names = isinstance(self.value, tuple) and bool(self.value) and all(isinstance(own, str) for own in self.value)
        fits = {"is": names, "is_not": names or span, "between": span}.get(self.op, number)
        if not fits:
            raise ValueError(f"condition on {self.facet!r}: {self.value!r} is no value for {self.op!r}")

    @property
    def names(self) -> Names:
        """The values of ``is`` and ``is_not``; empty for a numeric condition."""
        return self.value if isinstance(self.value, tuple) and isinstance(self.value[0], str) else ()

    @property
    def span(self) -> tuple[float | None, float | None]:
        """The bounds of a numeric condition, inclusive, None where it is open; both None for names."""
        if self.op == "at_least":
            return cast(float, self.value), None
        if self.op == "at_most":
            return None, cast(float, self.value)
        return (None, None) if self.names else cast(Span, self.value)

    @property
    def negative(self) -> bool:
        """Whether it leaves out what it names."""
        return self.op == "is_not"

    def to_json(self) -> dict[str, Any]:
        """Plain data: a single name as a string, several as a list, a span as a pair."""
        value: Any = list(self.value) if isinstance(self.value, tuple) else self.value
        if self.names and len(self.names) == 1:
            value = self.names[0]
        return {
            "facet": self.facet,
            "op": self.op,
            "value": value,
            "strength": self.strength,
            "scope": self.scope,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Condition:
        """The inverse of :meth:`to_json`; ``op`` (is), ``strength`` and ``scope`` may be left out.

        Raises:
            ValueError: a key is missing or unknown, or the value does not fit (the message names it).
        """
        unknown = sorted(set(data) - set(cls.__slots__))
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r} of a condition: use {', '.join(cls.__slots__)}")
        missing = [key for key in ("facet", "value") if key not in data]
        if missing:
            raise ValueError(f"a condition lacks {missing[0]!r}: give facet, op and value")
        value = data["value"]
        if isinstance(value, str):
            value = (value,)
        elif isinstance(value, list | tuple):
            value = tuple(value)
        return cls(
            str(data["facet"]),
            data.get("op", "is"),
            value,
            data.get("strength", "must"),
            data.get("scope", "topic"),
        )


Conditions = tuple[Condition, ...]


def wanted(conditions: Iterable[Condition], facet: str) -> tuple[Names, ...]:
    """The groups of values that are wanted of a facet: an item must have one of each group."""
    return tuple(own.names for own in conditions if own.facet == facet and own.op == "is")


def unwanted(conditions: Iterable[Condition], facet: str) -> frozenset[str]:
    """The values that are left out of a facet."""
    return frozenset(name for own in conditions if own.facet == facet and own.negative for name in own.names)


def bounds(conditions: Iterable[Condition], facet: str) -> tuple[float | None, float | None]:
    """The tightest inclusive bounds on a numeric facet, None where it is open."""
    least: float | None = None
    most: float | None = None
    for own in conditions:
        if own.facet == facet and not own.negative:
            low, high = own.span
            least = low if least is None or (low is not None and low > least) else least
            most = high if most is None or (high is not None and high < most) else most
    return least, most


def with_scope(conditions: Iterable[Condition], scope: Scope) -> Conditions:
    """The same conditions, all of one scope."""
    return tuple(replace(own, scope=scope) for own in conditions)
