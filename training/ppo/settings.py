"""PPO settings: everything a run can be told, with the help that the command line shows."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

import yaml

Mode = Literal["pick", "slate"]
Estimator = Literal["ppo", "exact"]
Keep = Literal["last", "best"]

DEFAULT_REWARD = "click:0.5,rating:0.5"
"""Of a slate's ratings; of a log: a like pays 1, a bare click 0.5, nothing done -0.5, a dislike -1, stars between."""


class SettingsError(ValueError):
    """A setting is unknown, of the wrong type, or does not fit; the message names it and says what to give."""


@dataclass(frozen=True, slots=True)
class PpoSettings:
    """How the policy is trained on rewards. The text of each field is in its metadata under ``help``.

    Raises:
        SettingsError: a value is out of range; the message names the field and what to give.
    """

    estimator: Estimator = field(
        default="ppo", metadata={"help": "ppo: sampled picks and a learned critic; exact: the exact policy gradient"}
    )
    mode: Mode = field(
        default="pick", metadata={"help": "pick: one item a slate is the action; slate: an order of k items is"}
    )
    k: int = field(default=5, metadata={"help": "items drawn without replacement, where the mode is slate"})
    steps: int = field(default=140, metadata={"help": "optimiser steps"})
    slates: int = field(default=32, metadata={"help": "slates (prompts) per step, over all processes"})
    generations: int = field(
        default=8, metadata={"help": "picks drawn for each slate; they share one pass through the LM"}
    )
    num_iterations: int = field(
        default=1, metadata={"help": "optimiser steps on the same picks before new ones are drawn"}
    )
    epsilon: float = field(default=0.2, metadata={"help": "the probability ratio is clipped to 1 +- this"})
    temperature: float | None = field(
        default=None, metadata={"help": "temperature of the policy's softmax (none: the adapter's own)"}
    )
    lora_rate: float = field(default=5e-5, metadata={"help": "learning rate of LoRA"})
    weights_rate: float = field(default=3e-2, metadata={"help": "learning rate of the evidence weights"})
    lm_weight_rate: float = field(default=0.0, metadata={"help": "learning rate of the weight of the LM's logits"})
    critic_rate: float = field(default=1e-3, metadata={"help": "learning rate of the critic"})
    schedule: Literal["constant", "linear", "cosine"] = field(
        default="linear", metadata={"help": "how the rates fall towards the last step"}
    )
    warmup: float = field(default=0.05, metadata={"help": "share of the steps in which the rates rise from 0"})
    max_grad_norm: float = field(default=1.0, metadata={"help": "gradients are scaled down to this norm"})
    value_weight: float = field(default=0.5, metadata={"help": "weight of the value loss"})
    value_clip: float = field(
        default=0.2, metadata={"help": "the value may move so far from what it was when the picks were drawn"}
    )
    gamma: float = field(default=1.0, metadata={"help": "discount from one place of a slate to the next"})
    gae_lambda: float = field(default=0.95, metadata={"help": "lambda of generalised advantage estimation"})
    kl_weight: float = field(
        default=0.1, metadata={"help": "weight of the KL divergence to the policy before PPO, at the start"}
    )
    kl_target: float | None = field(
        default=1.2, metadata={"help": "KL (nats) that the weight is adapted to (none: the weight stays)"}
    )
    kl_speed: float = field(
        default=0.1, metadata={"help": "how fast the weight follows: a step changes it by at most a fifth of this"}
    )
    kl_limit: float = field(default=3.0, metadata={"help": "training stops where the KL (nats) goes above this"})
    weight_cap: float = field(
        default=10.0, metadata={"help": "importance weights of rows replayed from a log are cut here"}
    )
    entropy_weight: float = field(default=0.0, metadata={"help": "weight of the entropy bonus"})
    entropy_floor: float = field(
        default=0.1, metadata={"help": "training stops below this share of the largest possible entropy"}
    )
    distinct_floor: float = field(
        default=0.5, metadata={"help": "training stops below this share of the distinct top picks before PPO"}
    )
    distinct_window: int = field(default=256, metadata={"help": "prompts over which distinct top picks are counted"})
    probe_every: int = field(
        default=35, metadata={"help": "steps between probes of the real click rate (0: no probes)"}
    )
    probe_tolerance: float = field(
        default=0.01, metadata={"help": "how far the probed click rate may fall while the reward rises"}
    )
    probe_errors: float = field(
        default=2.0, metadata={"help": "and so many standard errors of the paired difference beyond that"}
    )
    keep: Keep = field(
        default="last",
        metadata={"help": "what a whole run keeps; after a guard's stop it is always the best probed policy"},
    )
    save_steps: int = field(default=35, metadata={"help": "steps between checkpoints"})
    seed: int = field(default=0, metadata={"help": "seed of the order of the slates, of the picks and of the critic"})

    def __post_init__(self) -> None:
        for name in ("k", "steps", "slates", "num_iterations", "distinct_window", "save_steps"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in ("lora_rate", "weights_rate", "lm_weight_rate", "critic_rate", "value_weight", "kl_weight"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name in ("kl_speed", "entropy_weight", "probe_every", "probe_tolerance", "probe_errors"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name in ("gamma", "gae_lambda", "warmup", "entropy_floor", "distinct_floor"):
            self._check(name, 0 <= getattr(self, name) <= 1, "a number from 0 to 1")
        for name in ("max_grad_norm", "value_clip", "kl_limit", "weight_cap"):
            self._check(name, getattr(self, name) > 0, "more than 0")
        for name in ("temperature", "kl_target"):
            self._check(name, getattr(self, name) is None or getattr(self, name) > 0, "more than 0, or none")
        self._check("generations", self.generations >= 2, "2 or more")
        self._check("epsilon", 0 < self.epsilon < 1, "a number between 0 and 1")
        self._check("mode", self.mode in ("pick", "slate"), "pick or slate")
        self._check("estimator", self.estimator in ("ppo", "exact"), "ppo or exact")
        self._check("keep", self.keep in ("last", "best"), "last or best")
        self._check("schedule", self.schedule in ("constant", "linear", "cosine"), "constant, linear or cosine")
        for name in ("steps", "save_steps"):
            whole = getattr(self, name) % self.num_iterations == 0
            self._check(name, whole, f"a multiple of num_iterations ({self.num_iterations})")
        self._check(
            "mode", not (self.estimator == "exact" and self.mode == "slate"), "pick where the estimator is exact"
        )

    def _check(self, name: str, fine: bool, wanted: str) -> None:
        if not fine:
            raise SettingsError(f"{name} = {getattr(self, name)!r}: give {wanted}")

    @property
    def length(self) -> int:
        """Items in one action."""
        return self.k if self.mode == "slate" else 1

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> PpoSettings:
        """Settings from plain values; the rest keep their defaults.

        Raises:
            SettingsError: a key is unknown, or a value has the wrong type or is out of range.
        """
        hints = get_type_hints(cls)
        unknown = sorted(set(values) - set(hints))
        if unknown:
            raise SettingsError(f"unknown PPO setting {unknown[0]!r}: there are {', '.join(hints)}")
        return cls(**{name: _typed(name, value, str(hints[name])) for name, value in values.items()})

    @classmethod
    def from_file(cls, path: Path, overrides: Mapping[str, Any] | None = None) -> PpoSettings:
        """Settings from a YAML, TOML or JSON file, with ``overrides`` on top.

        Raises:
            SettingsError: the file cannot be read as that, or holds something else than settings.
        """
        try:
            text = path.read_text(encoding="utf-8")
            match path.suffix:
                case ".yaml" | ".yml":
                    values = yaml.safe_load(text)
                case ".toml":
                    values = tomllib.loads(text)
                case ".json":
                    values = json.loads(text)
                case other:
                    raise SettingsError(f"a settings file ends in .yaml, .toml or .json, not in {other!r}")
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise SettingsError(f"{path}: {error}") from error
        if not isinstance(values, dict):
            raise SettingsError(f"{path} holds no settings: write one `name: value` a line")
        try:
            return cls.of({**values, **(overrides or {})})
        except ValueError as error:
            raise SettingsError(f"{path}: {error}") from error

    @classmethod
    def help(cls) -> dict[str, str]:
        """What each setting means, by name."""
        return {each.name: each.metadata["help"] for each in fields(cls)}

    def plain(self) -> dict[str, Any]:
        """The settings as plain values, as :meth:`of` takes them."""
        return asdict(self)


def _typed(name: str, value: Any, hint: str) -> Any:
    """The value, a whole number turned into a float where one is wanted; refuses any other type."""
    if value is None and "None" in hint:
        return None
    if "float" in hint:
        # YAML 1.1 reads 1e-4 as text.
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                raise SettingsError(f"{name} = {value!r}: give a number") from None
        fine = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float(value) if fine else _refuse(name, value, "a number")
    if "int" in hint:
        return (
            value if isinstance(value, int) and not isinstance(value, bool) else _refuse(name, value, "a whole number")
        )
    return value if isinstance(value, str) else _refuse(name, value, "one of its names")


def _refuse(name: str, value: Any, wanted: str) -> Any:
    raise SettingsError(f"{name} = {value!r}: give {wanted}")
