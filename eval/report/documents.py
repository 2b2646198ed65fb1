"""Report documents: what the verbs that compare models print with ``--json``, checked field by field."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from eval.metrics import Interval


def _number_or_none(value: Any) -> Any:
    """JSON has no NaN, Python's writer has: both it and null mean that a figure is not defined."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_number_or_none)]
Span = tuple[Number, Number]


class Document(BaseModel):
    """What verbs print: known fields are checked, others are kept."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, strict=False)

    def extra(self, name: str) -> Any:
        """A field that is not the same in all rows, such as a metric; None where there is none."""
        return (self.model_extra or {}).get(name)


class Mean(Document):
    """A mean with its 95 % interval."""

    mean: Number
    ci: Span

    @property
    def interval(self) -> Interval | None:
        """The three numbers, None where one is not defined."""
        return _interval(self.mean, self.ci)


class Bounds(Document):
    """The same with its ends by name."""

    mean: float
    low: float
    high: float

    @property
    def interval(self) -> Interval:
        """The three numbers."""
        return Interval(self.mean, self.low, self.high)


class Figures(Document):
    """Metrics under their names, with their intervals under ``ci``."""

    ci: dict[str, Span] = Field(alias="ci")

    @model_validator(mode="after")
    def _every_interval_has_its_metric(self) -> Self:
        for name in self.ci:
            value = self.extra(name)
            if name not in (self.model_extra or {}):
                raise ValueError(f"{name!r} has an interval under 'ci' but no value")
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ValueError(f"{name!r} is {value!r}: a number is needed")
        return self

    def figure(self, name: str) -> Interval | None:
        """A metric with its interval; None where it is not defined."""
        return _interval(_number_or_none(self.extra(name)), self.ci.get(name, (None, None)))

    def number(self, name: str) -> float | None:
        """A metric's value alone."""
        value = _number_or_none(self.extra(name))
        return float(value) if isinstance(value, int | float) else None


def _interval(mean: float | None, ci: Span) -> Interval | None:
    return None if mean is None or ci[0] is None or ci[1] is None else Interval(mean, ci[0], ci[1])


class PairedFigure(Mean):
    """A difference to the row ``reference``."""

    reference: str | None


class RankingSlice(Figures):
    """A row's figures for some of the users or items."""

    slice: str
    group: str
    cases: int


class RankingRow(Figures):
    """One policy under one protocol."""

    protocol: str
    about: str = Field(alias="set")
    cases: int
    users: int
    headline: list[str] = Field(min_length=1)
    policy: str
    kind: str
    paired: dict[str, PairedFigure]
    paired_library: dict[str, PairedFigure] = {}
    slices: list[RankingSlice]


class RankingDocument(Document):
    """What ``concierge eval ranking --json`` prints."""

    data: str
    part: str = "test"
    seed: int = 0
    rows: list[RankingRow]
    notes: list[str] = []
    left_out: dict[str, str] = {}


class PolicyRow(Figures):
    """One policy's picks from the rated slates."""

    policy: str
    kind: str
    ci: dict[str, Span] = Field(alias="cis")


class RareRow(Figures):
    """One policy on items with few ratings."""

    policy: str
    cases: int
    items: int
    ci: dict[str, Span] = Field(alias="cis")


class NamedDifference(Mean):
    """A difference of two rows."""

    of: tuple[str, str]


class PolicyDocument(Document):
    """What ``concierge eval policy --json`` prints."""

    data: str
    part: str
    slates: int
    users: int
    rows: list[PolicyRow] = Field(min_length=1)
    paired: dict[str, NamedDifference]
    rare_items: list[RareRow]
    notes: list[str]


class Bin(Document):
    """One bin of a reliability curve."""

    predicted: Number
    observed: Number
    pairs: int


class BestOf(Figures):
    """One step of the best-of-n curve."""

    n: int
    kl: float


class RewardSlice(Document):
    """A model's figures for some of the pairs; without any, ``note`` says why."""

    slice: str
    group: str
    pairs: int
    users: int
    ci: dict[str, Span] = {}
    note: str = ""

    def figure(self, name: str) -> Interval | None:
        """A metric with its interval; None where it is not defined."""
        return _interval(_number_or_none(self.extra(name)), self.ci.get(name, (None, None)))


class RewardRow(Figures):
    """One reward model."""

    model: str
    probabilities: str
    notes: list[str]
    reliability: list[Bin]
    best_of_n: list[BestOf]
    slices: list[RewardSlice]


class RewardDocument(Document):
    """What ``concierge eval reward --json`` prints."""

    data: str
    pairs: int
    slates: int
    users: int
    missing: dict[str, int]
    rows: list[RewardRow] = Field(min_length=1)
    paired: dict[str, Any] | None
