"""Off-policy evaluation: what another policy is worth, from a log of what one policy did."""

from __future__ import annotations

from eval.off_policy.diagnostics import Diagnostics, Limits, Weights
from eval.off_policy.estimators import ESTIMATORS
from eval.off_policy.fields import LogError
from eval.off_policy.log import REWARDS, LoggedSlate, read_log
from eval.off_policy.report import (
    Difference,
    Estimate,
    OffPolicyResult,
    PairedResult,
    Settings,
    evaluate_log,
    paired,
)
from eval.off_policy.samples import Unsupported
from eval.off_policy.target import PolicyTarget, Target

__all__ = [
    "ESTIMATORS",
    "REWARDS",
    "Diagnostics",
    "Difference",
    "Estimate",
    "Limits",
    "LogError",
    "LoggedSlate",
    "OffPolicyResult",
    "PairedResult",
    "PolicyTarget",
    "Settings",
    "Target",
    "Unsupported",
    "Weights",
    "evaluate_log",
    "paired",
    "read_log",
]
