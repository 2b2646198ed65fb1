"""Sections: what each kind of document is shown as, in a report and on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from eval.report.blocks import Part, Source
from eval.report.documents import checked
from eval.report.live import experiments_parts, live_parts
from eval.report.off_policy import off_policy_parts
from eval.report.ranking import ranking_parts
from eval.report.reward import reward_parts
from eval.report.training import ppo_parts, speed_parts

SECTIONS: Mapping[str, tuple[str, Callable[[Source, Any], Iterator[Part]], str]] = {
    "ranking": (
        "Ranking",
        ranking_parts,
        "Our policies, baselines and library recommenders rank the same candidates of the same users; everything is "
        "fitted on each protocol's past alone.",
    ),
    "reward": (
        "Reward model",
        reward_parts,
        "Reward models predict what a user likes. They are judged on slates whose ratings are known: who is told "
        "apart, how true the probabilities are, and what a policy really earns by following them.",
    ),
    "off-policy": (
        "Off-policy evaluation",
        off_policy_parts,
        "What would another policy have earned where this one served? The estimators are checked on bandits whose "
        "values are known; where a log cannot support a number, none is given.",
    ),
    "live": (
        "Live figures",
        live_parts,
        "The chat's own feedback log: the last word on an item stands, and what was taken back does not count. A "
        "conversation counts whole in the period of its first slate.",
    ),
    "experiments": (
        "Experiments of templates",
        experiments_parts,
        "A template is measured like a policy: versions share the conversations, and the differences compare these two "
        "groups of conversations.",
    ),
    "ppo": (
        "Over-optimisation of PPO",
        ppo_parts,
        "A probe during training asks for the real click rate on slates of users that are not trained on. Where the "
        "training reward goes on rising and the real one falls, the reward is over-optimised (Gao et al., 2023).",
    ),
    "speed": (
        "Training speed",
        speed_parts,
        "The training commands side by side: short runs with the defaults but for the number of steps.",
    ),
}
"""The sections in the order of the report: title, the parts of a source and its document, what it is about."""


SECTION_OF: Mapping[str, str] = {"off-policy-log": "off-policy"}
"""The section of a kind of document that is not called as its section is."""


def parts_of(source: Source) -> Iterator[Part]:
    """What one document is shown as."""
    section = SECTION_OF.get(source.kind, source.kind)
    return SECTIONS[section][1](source, checked(source.kind, source.value, source.how or source.kind))
