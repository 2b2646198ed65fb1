"""Report documents of logs and runs: off-policy estimates, live figures, experiments, training runs and their speed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from eval.report.documents import Bounds, Document, Number


class CoverageRow(Document):
    """How often one estimator's intervals held the truth."""

    case: str
    estimator: str
    replications: int
    truth: float
    mean: Number
    covered: float
    refused: float
    passed: bool


class AlarmRow(Document):
    """How often a broken log was refused."""

    case: str
    replications: int
    refused: float
    reason: str
    passed: bool


class SelfCheckDocument(Document):
    """What ``concierge eval off-policy --self-check --json`` prints."""

    passed: bool
    coverage: list[CoverageRow] = Field(min_length=1)
    alarms: list[AlarmRow]


class Refused(Document):
    """Why there is no estimate."""

    reason: str


class EstimateRow(Document):
    """One estimator on a log: the value of a target, or of two and their difference."""

    estimator: str
    value: Bounds | Refused | None = None
    new: Bounds | Refused | None = None
    old: Bounds | Refused | None = None
    difference: Bounds | Refused | None = None
    weights: dict[str, float] | None = None


class OffPolicyDocument(Document):
    """What ``concierge eval off-policy --json`` prints of a log."""

    log: str = "a log"
    supported: bool
    reward: str
    logged: Bounds
    rows: list[EstimateRow] = Field(min_length=1)
    diagnostics: dict[str, Any] | list[dict[str, Any]]
    target: str | None = None
    new: str | None = None
    old: str | None = None


class PeriodFigures(Document):
    """The chat's figures over some time."""

    start: str
    conversations: int
    slates: int
    items: int
    reactions: int
    metrics: dict[str, Bounds | None]


class LiveDocument(Document):
    """What ``concierge eval live --json`` prints."""

    by: str
    total: PeriodFigures | None
    periods: list[PeriodFigures]


class ArmFigures(Document):
    """One version of a template in an experiment."""

    template: str
    slates: int
    conversations: int
    figures: dict[str, Bounds]


class ExperimentsDocument(Document):
    """What ``concierge prompts experiment --json`` prints without versions."""

    role: str = "state"
    arms: list[ArmFigures]
    differences: list[dict[str, Bounds]]


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
