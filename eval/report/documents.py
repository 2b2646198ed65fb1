"""Report documents: what verbs print with ``--json``, read from files and checked field by field."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from agent.data.rows import problem
from eval.live.experiments import Report as Experiments
from eval.live.figures import LiveMetrics
from eval.metrics import Interval
from eval.off_policy.report import OffPolicyResult, PairedResult
from eval.off_policy.self_check import SelfCheck


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


def interval_of(figure: Mean | None) -> Interval | None:
    """The three numbers of a figure; None where there is none."""
    return None if figure is None else figure.interval


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


class Curve(Document):
    """One figure of a training run."""

    title: str
    unit: str
    steps: list[int]
    values: list[float]


class Probe(Document):
    """One probe of a training run."""

    step: int
    kl: float
    gain: float
    click_rate: float
    standard_error: float = 0.0


class CurvesDocument(Document):
    """The file ``curves.json`` of a PPO run."""

    series: dict[str, Curve]
    over_optimisation: list[Probe]


class SpeedRow(Document):
    """One training command's short run."""

    command: str
    sample: str
    steps: int
    seconds_a_step: float
    samples_per_second: float
    seconds_preparing: float
    wall_seconds: float
    whole_run_seconds: float
    samples_per_second_ratio: float


class SpeedDocument(Document):
    """What ``concierge eval speed --json`` prints."""

    data: str
    machine: dict[str, Any]
    rows: list[SpeedRow] = Field(min_length=1)


class ReportError(ValueError):
    """A report cannot be made as asked; the message names the file and the field, or what to give."""


KINDS: Mapping[str, tuple[TypeAdapter[Any], tuple[str, ...]]] = {
    "ranking": (TypeAdapter(RankingDocument), ("rows.0.protocol", "left_out")),
    "reward": (TypeAdapter(RewardDocument), ("rows.0.reliability",)),
    "off-policy": (TypeAdapter(SelfCheck), ("coverage",)),
    "off-policy-log": (TypeAdapter(OffPolicyResult | PairedResult), ("diagnostics",)),
    "live": (TypeAdapter(LiveMetrics), ("periods",)),
    "experiments": (TypeAdapter(Experiments), ("arms",)),
    "ppo": (TypeAdapter(CurvesDocument), ("over_optimisation",)),
    "speed": (TypeAdapter(SpeedDocument), ("machine",)),
}
"""The documents by name: what they are read as, and a field that only this one has. What a verb makes as a dataclass
and prints as it is is read as that dataclass."""


def read_document(path: Path) -> tuple[str, dict[str, Any]]:
    """Which document a file holds, and the document.

    Raises:
        ReportError: the file is missing, no JSON object, none of the documents, or a field of it is missing or wrong;
            the message names the file and the field.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{path} is no file: give what a verb printed with --json") from None
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ReportError(f"{path}: a JSON object is needed, as a verb prints it with --json")
    for kind, (_, marks) in KINDS.items():
        if any(_holds(value, mark) for mark in marks):
            checked(kind, value, str(path))
            return kind, value
    known = ", ".join(f"{marks[0].replace('.0.', '[0].')} ({kind})" for kind, (_, marks) in KINDS.items())
    raise ReportError(f"{path}: no document that a report can show: none of these fields is there: {known}")


def checked(kind: str, value: Mapping[str, Any], where: str) -> Any:
    """The document of a kind with its fields checked.

    Raises:
        ReportError: a field is missing or wrong; the message begins with ``where`` and names the field.
    """
    try:
        return KINDS[kind][0].validate_python(value)
    except ValidationError as error:
        raise ReportError(f"{where}: {problem(error)}") from error


def _holds(value: Any, mark: str) -> bool:
    for step in mark.split("."):
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return False
    return True
