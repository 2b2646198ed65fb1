"""Phrases: the words in which people wish for items of a domain, where its phrasebook has sentences of its own.

There are two banks. ``train`` is what the language model is tuned on; ``heldout`` is what it is judged by. Plain words
for categories and decades are common to both (the reader of messages knows them); soft expressions of the two banks
share no content word, and their sentences differ in wording. A phrasebook is a folder beside the domain's
``domain.yaml`` with ``common.yaml`` and, of each bank, ``SPLIT-categories.yaml`` and ``SPLIT-frames.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from agent.domains.domain import Domain

Split = Literal["train", "heldout"]
FORMS = ("adj", "kind", "with", "about", "that", "where", "for", "say")
"""Grammatical forms of a soft expression; ``train-categories.yaml`` says how each is used."""
SLOTS = ("a", "p", "k", "w", "j", "t")
"""Gaps of a sentence; ``train-frames.yaml`` says what goes into each."""
_GAP = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Plain:
    """A category's plain words: modifiers ("sci-fi") and nouns ("sci-fi novel")."""

    mod: tuple[str, ...]
    noun: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SoftEra:
    """A time named without a number; years are inclusive, None is open."""

    text: str
    year_min: int | None
    year_max: int | None


@dataclass(frozen=True)
class PhraseBank:
    """All words of one split.

    ``heads`` are what an item is called; ``weights`` how readily a category is asked for (1 where it has none).
    ``soft[category]`` holds (form, text) pairs; ``frames[slot]`` and ``like_frames[slot]`` the sentences with that gap;
    ``eras[place][kind]`` era texts for the places ``before``, ``after`` and ``tail`` and the kinds ``decade``,
    ``year``, ``range``, ``older`` and ``newer``.
    """

    split: Split
    heads: tuple[str, ...]
    weights: Mapping[str, float]
    plain: Mapping[str, Plain]
    pairs: Mapping[frozenset[str], tuple[str, ...]]
    plain_refusals: tuple[str, ...]
    decades: Mapping[int, tuple[str, ...]]
    soft: Mapping[str, tuple[tuple[str, str], ...]]
    frames: Mapping[str, tuple[str, ...]]
    like_frames: Mapping[str, tuple[str, ...]]
    joins: tuple[str, ...]
    openings: tuple[str, ...]
    endings: tuple[str, ...]
    eras: Mapping[str, Mapping[str, tuple[str, ...]]]
    soft_eras: tuple[SoftEra, ...]
    refusals: tuple[str, ...]

    @classmethod
    def load(cls, split: Split, domain: Domain) -> PhraseBank | None:
        """Read one bank of a domain; the result is cached. None where the domain's phrasebook has no sentences.

        Raises:
            ValueError: ``split`` is unknown, or a phrasebook file holds an unknown category, form or gap.
        """
        if split not in ("train", "heldout"):
            raise ValueError(f"unknown phrase bank {split!r}: use 'train' or 'heldout'")
        folder = phrasebook_folder(domain)
        return _load(split, folder) if folder is not None and (folder / "common.yaml").is_file() else None

    def sentences(self) -> tuple[str, ...]:
        """Every frame, with and without an example."""
        return tuple(text for frames in (self.frames, self.like_frames) for texts in frames.values() for text in texts)

    def expressions(self) -> tuple[str, ...]:
        """Every soft expression."""
        return tuple(text for texts in self.soft.values() for _, text in texts)


def phrasebook_folder(domain: Domain) -> Path | None:
    """The folder of a domain's phrasebook; None where it has none."""
    return None if domain.phrasebook is None else Path(domain.folder) / domain.phrasebook


def _texts(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {str(key): tuple(map(str, texts)) for key, texts in data.items()}


def _by_gap(frames: Iterable[str], source: str) -> dict[str, tuple[str, ...]]:
    sorted_frames: dict[str, list[str]] = {slot: [] for slot in SLOTS}
    for frame in frames:
        gaps = _GAP.findall(frame)
        if len(gaps) != 1 or gaps[0] not in SLOTS:
            raise ValueError(f"{source}: {frame!r} needs exactly one gap out of {', '.join(SLOTS)}")
        sorted_frames[gaps[0]].append(frame)
    return {slot: tuple(texts) for slot, texts in sorted_frames.items() if texts}


@cache
def _load(split: Split, folder: Path) -> PhraseBank:
    common, categories, frames = (
        yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("common", f"{split}-categories", f"{split}-frames")
    )
    plain = {category: Plain(tuple(words["mod"]), tuple(words["noun"])) for category, words in common["plain"].items()}
    soft = {}
    for category, forms in categories.items():
        if category not in plain or not set(forms) <= set(FORMS):
            known = ", ".join((*plain, *FORMS))
            raise ValueError(f"{split}-categories.yaml: {category!r} with {sorted(forms)}: use only {known}")
        soft[category] = tuple((form, str(text)) for form in FORMS for text in forms.get(form, ()))
    return PhraseBank(
        split=split,
        heads=tuple(common["heads"]),
        weights=common["weights"],
        plain=plain,
        pairs={frozenset(pair["values"]): tuple(pair["noun"]) for pair in common["pairs"]},
        plain_refusals=tuple(common["refusals"]),
        decades={int(decade): tuple(map(str, texts)) for decade, texts in common["decades"].items()},
        soft=soft,
        frames=_by_gap(frames["frames"], f"{split}-frames.yaml"),
        like_frames=_by_gap(frames["like_frames"], f"{split}-frames.yaml"),
        joins=tuple(frames["joins"]),
        openings=tuple(frames["openings"]),
        endings=tuple(frames["endings"]),
        eras={place: _texts(kinds) for place, kinds in frames["eras"].items()},
        soft_eras=tuple(SoftEra(era["text"], era.get("min"), era.get("max")) for era in frames["soft_eras"]),
        refusals=tuple(frames["refusals"]),
    )
