"""PPO settings: everything a run can be told, with the help that the command line shows."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo

Count = Annotated[int, Strict(), Field(ge=1)]
AtLeast0 = Annotated[float, Field(ge=0)]
Above0 = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

DEFAULT_REWARD = "click:0.5,rating:0.5"
"""Of a slate's ratings; of a log: a like pays 1, a bare click 0.5, nothing done -0.5, a dislike -1, stars between."""


class SettingsError(ValueError):
    """A setting is unknown, of the wrong type, or does not fit; the message names it and says what to give."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class PpoSettings:
    """How the policy is trained on rewards; each field's description is the help of its flag.

    Raises:
        ValueError: a value is out of range; the message names the field and what to give.
    """

    estimator: Literal["ppo", "exact"] = Field(
        default="ppo", description="ppo: sampled picks and a learned critic; exact: the exact policy gradient"
    )
    mode: Literal["pick", "slate"] = Field(
        default="pick", description="pick: one item a slate is the action; slate: an order of k items is"
    )
    k: Count = Field(default=5, description="items drawn without replacement, where the mode is slate")
    steps: Count = Field(default=140, description="optimiser steps")
    slates: Count = Field(default=32, description="slates (prompts) per step, over all processes")
    generations: Annotated[int, Strict(), Field(ge=2)] = Field(
        default=8, description="picks drawn for each slate; they share one pass through the LM"
    )
    num_iterations: Count = Field(default=1, description="optimiser steps on the same picks before new ones are drawn")
    epsilon: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="the probability ratio is clipped to 1 +- this"
    )
    temperature: Above0 | None = Field(
        default=None, description="temperature of the policy's softmax (none: the adapter's own)"
    )
    lora_rate: AtLeast0 = Field(
        default=5e-5, description="learning rate of LoRA; 0: the LM is read once and left as it is"
    )
    weights_rate: AtLeast0 = Field(default=3e-2, description="learning rate of the evidence weights")
    lm_weight_rate: AtLeast0 = Field(default=0.0, description="learning rate of the weight of the LM's logits")
    ranker_rate: AtLeast0 = Field(
        default=1e-2, description="learning rate of the weights of the ranker of conversations, of a chat's log"
    )
    critic_rate: AtLeast0 = Field(default=1e-3, description="learning rate of the critic")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="linear", description="how the rates fall towards the last step"
    )
    warmup: Share = Field(default=0.05, description="share of the steps in which the rates rise from 0")
    max_grad_norm: Above0 = Field(default=1.0, description="gradients are scaled down to this norm")
    value_weight: AtLeast0 = Field(default=0.5, description="weight of the value loss")
    value_clip: Above0 = Field(
        default=0.2, description="the value may move so far from what it was when the picks were drawn"
    )
    gamma: Share = Field(default=1.0, description="discount from one place of a slate to the next")
    gae_lambda: Share = Field(default=0.95, description="lambda of generalised advantage estimation")
    kl_weight: AtLeast0 = Field(
        default=0.1, description="weight of the KL divergence to the policy before PPO, at the start"
    )
    kl_target: Above0 | None = Field(
        default=1.2, description="KL (nats) that the weight is adapted to (none: the weight stays)"
    )
    kl_speed: AtLeast0 = Field(
        default=0.1, description="how fast the weight follows: a step changes it by at most a fifth of this"
    )
    kl_limit: Above0 = Field(default=3.0, description="training stops where the KL (nats) goes above this")
    weight_cap: Above0 = Field(default=10.0, description="importance weights of rows replayed from a log are cut here")
    entropy_weight: AtLeast0 = Field(default=0.0, description="weight of the entropy bonus")
    entropy_floor: Share = Field(
        default=0.1, description="training stops below this share of the largest possible entropy"
    )
    distinct_floor: Share = Field(
        default=0.5, description="training stops below this share of the distinct top picks before PPO"
    )
    distinct_window: Count = Field(default=256, description="prompts over which distinct top picks are counted")
    probe_every: Annotated[int, Strict(), Field(ge=0)] = Field(
        default=35, description="steps between probes of the real click rate (0: no probes)"
    )
    probe_tolerance: AtLeast0 = Field(
        default=0.01, description="how far the probed click rate may fall while the reward rises"
    )
    probe_errors: AtLeast0 = Field(
        default=2.0, description="and so many standard errors of the paired difference beyond that"
    )
    keep: Literal["last", "best"] = Field(
        default="last", description="what a whole run keeps; after a guard's stop it is always the best probed policy"
    )
    save_steps: Count = Field(default=35, description="steps between checkpoints")
    seed: Annotated[int, Strict()] = Field(
        default=0, description="seed of the order of the slates, of the picks and of the critic"
    )

    def __post_init__(self) -> None:
        for name in ("steps", "save_steps"):
            if getattr(self, name) % self.num_iterations:
                wanted = f"a multiple of num_iterations ({self.num_iterations})"
                raise ValueError(f"{name} = {getattr(self, name)}: give {wanted}")
        if self.estimator == "exact" and self.mode == "slate":
            raise ValueError("mode = 'slate': give pick where the estimator is exact")

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
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            if first["type"] == "unexpected_keyword_argument":
                known = ", ".join(each.name for each in fields(cls))
                raise SettingsError(f"unknown PPO setting {name!r}: there are {known}") from None
            text = first["msg"].removeprefix("Value error, ")
            raise SettingsError(f"{name} = {first['input']!r}: {text[0].lower()}{text[1:]}" if name else text) from None

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

    def plain(self) -> dict[str, Any]:
        """The settings as plain values, as :meth:`of` takes them."""
        return asdict(self)


FIELDS: Mapping[str, FieldInfo] = PpoSettings.__pydantic_fields__  # type: ignore[attr-defined]
"""The settings with their defaults and descriptions."""
