"""Propensities: whether the versions that served give the logged chances again, asked as replay asks them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from agent.policy.distribution import Policy
from agent.policy.registry import RegistryError
from agent.store.feedback import FeedbackLog
from agent.store.logged_impression import LoggedImpression, read_impressions
from agent.store.template_versions import TemplateStore
from training.ppo.feedback import Ground
from training.ppo.replay import usable

TOLERANCE = 1e-4
GONE = "the version of the policy or of its template is not here any more"


@dataclass(frozen=True, slots=True)
class PropensityCheck:
    """``largest`` relative error of a logged chance; ``wrong`` are the impressions whose is above ``TOLERANCE``."""

    checked: int
    largest: float
    wrong: tuple[str, ...]
    left_out: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``--json``."""
        return asdict(self)


def check_propensities(log: FeedbackLog, ground: Ground, most: int | None = None, batch: int = 32) -> PropensityCheck:
    """Ask the version and template that served each impression again; ``most``: so many of the latest.

    ``batch`` states are asked together: what comes out does not depend on it.
    """
    left_out: Counter[str] = Counter()
    by_version: defaultdict[tuple[str, str, str], list[LoggedImpression]] = defaultdict(list)
    for own in list(read_impressions(log))[-(most or 0) :]:
        shown = own.impression
        by_version[shown.policy, shown.template_name, shown.template_version].append(own)
    store = TemplateStore(log)
    largest, checked, wrong = 0.0, 0, []
    for (version, name, number), slates in by_version.items():
        try:
            policy = _served(ground.policy(version), name, number, store)
        except (RegistryError, LookupError):
            left_out[GONE] += len(slates)
            continue
        cases = []
        for own in slates:
            found = usable(own, ground.foundation.catalogue)
            if isinstance(found, str):
                left_out[found] += 1
            else:
                cases.append((own.impression, *found))
        for start in range(0, len(cases), batch):
            part = cases[start : start + batch]
            rankings = policy.rank_many([state for _, state, _, _ in part], [own for _, _, own, _ in part])
            for (shown, _, _, items), ranking in zip(part, rankings, strict=True):
                again = replace(ranking, temperature=shown.temperature).propensities(items)
                error = float(np.abs(again / np.array(shown.propensities) - 1.0).max())
                checked, largest = checked + 1, max(largest, error)
                if error > TOLERANCE:
                    wrong.append(shown.id)
    return PropensityCheck(checked, largest, tuple(wrong), dict(left_out))


def _served(policy: Policy, name: str, version: str, store: TemplateStore) -> Policy:
    """The policy with the template that an impression names; LookupError where it is gone."""
    own = policy.template
    if (own["name"], str(own["version"])) == (name, version) or policy.prompt is None:
        return policy
    template = store.find(name, int(version), store.pack)
    if template is None:
        raise LookupError(f"{name}@{version}")
    return policy.with_template(template)
