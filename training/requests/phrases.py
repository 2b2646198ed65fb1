"""Phrases: the words in which people wish for films, read from ``training/requests/phrasebook/*.yaml``.

There are two banks. ``train`` is what the language model is tuned on; ``heldout`` is what it is judged by. Plain
genre words and decades are common to both (a grammar knows them); soft expressions of the two banks share no content
word, and their sentences differ in wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

Split = Literal["train", "heldout"]
FORMS = ("adj", "kind", "with", "about", "that", "where", "for", "say")
"""Grammatical forms of a soft expression; ``train-genres.yaml`` says how each is used."""
SLOTS = ("a", "p", "k", "w", "j", "t")
"""Gaps of a sentence; ``train-frames.yaml`` says what goes into each."""
_FOLDER = Path(__file__).parent / "phrasebook"
_GAP = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Plain:
    """A genre's plain words: modifiers ("sci-fi") and nouns ("sci-fi movie")."""

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

    ``soft[genre]`` holds (form, text) pairs; ``frames[slot]`` and ``like_frames[slot]`` the sentences with that gap;
    ``eras[place][kind]`` era texts for the places ``before``, ``after`` and ``tail`` and the kinds ``decade``,
    ``year``, ``range``, ``older`` and ``newer``.
    """

    split: Split
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
    qualities: Mapping[str, tuple[str, ...]]
    quality_tails: Mapping[str, tuple[str, ...]]
    refusals: tuple[str, ...]

    @classmethod
    def load(cls, split: Split) -> PhraseBank:
        """Read one bank; the result is cached.

        Raises:
            ValueError: ``split`` is unknown, or a phrasebook file holds an unknown genre, form or gap.
        """
        if split not in ("train", "heldout"):
            raise ValueError(f"unknown phrase bank {split!r}: use 'train' or 'heldout'")
        return _load(split)

    def sentences(self) -> tuple[str, ...]:
        """Every frame, with and without an example."""
        return tuple(text for frames in (self.frames, self.like_frames) for texts in frames.values() for text in texts)

    def expressions(self, genre: str | None = None) -> tuple[str, ...]:
        """Every soft expression of one genre, or of all."""
        genres = self.soft if genre is None else (genre,)
        return tuple(text for name in genres for _, text in self.soft[name])


def stem(word: str) -> str:
    """A crude stem, on the greedy side: it would rather join two words than part two forms of one."""
    for suffix in ("ations", "ation", "iness", "ingly", "ings", "edly", "ness", "ment", "ing", "ily", "ied", "ies"):
        if word.endswith(suffix) and len(word) - len(suffix) >= (4 if suffix == "ness" else 3):
            return stem(word[: -len(suffix)])
    for suffix in ("able", "ful", "ers", "est", "ish", "ous", "al", "ic", "ed", "er", "es", "ly", "s", "y", "e", "i"):
        if word.endswith(suffix) and len(word) - len(suffix) >= (4 if suffix == "ness" else 3):
            return stem(word[: -len(suffix)])
    if len(word) > 3 and word[-1] == word[-2]:
        return word[:-1]
    return word


@cache
def stop_stems() -> frozenset[str]:
    """Stems of the words that carry no wish (``common.yaml``)."""
    return frozenset(stem(word) for word in str(_read("common")["stop_words"]).split())


def content_words(texts: Iterable[str]) -> dict[str, str]:
    """Content words of ``texts`` as {stem: a text that holds it}; stop words and gaps are left out."""
    found: dict[str, str] = {}
    for text in texts:
        for word in _WORD.findall(_GAP.sub(" ", text.lower())):
            root = stem(word)
            if root not in stop_stems():
                found.setdefault(root, text)
    return found


def vocabulary(bank: PhraseBank) -> dict[str, Any]:
    """How much a bank holds: counts of frames by gap, of expressions by genre and form, and of content words."""
    return {
        "split": bank.split,
        "frames": {slot: len(texts) for slot, texts in bank.frames.items()},
        "frames_total": sum(map(len, bank.frames.values())),
        "like_frames": sum(map(len, bank.like_frames.values())),
        "openings": len(bank.openings),
        "endings": len(bank.endings),
        "expressions": {genre: len(texts) for genre, texts in bank.soft.items()},
        "expressions_total": sum(map(len, bank.soft.values())),
        "forms": {form: sum(f == form for texts in bank.soft.values() for f, _ in texts) for form in FORMS},
        "content_words": len(content_words(bank.expressions())),
    }


@cache
def _read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return data


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
def _load(split: Split) -> PhraseBank:
    common, genres, frames = _read("common"), _read(f"{split}-genres"), _read(f"{split}-frames")
    plain = {genre: Plain(tuple(words["mod"]), tuple(words["noun"])) for genre, words in common["plain"].items()}
    soft = {}
    for genre, forms in genres.items():
        if genre not in plain or not set(forms) <= set(FORMS):
            known = ", ".join((*plain, *FORMS))
            raise ValueError(f"{split}-genres.yaml: {genre!r} with {sorted(forms)}: use only {known}")
        soft[genre] = tuple((form, str(text)) for form in FORMS for text in forms.get(form, ()))
    return PhraseBank(
        split=split,
        plain=plain,
        pairs={frozenset(pair["genres"]): tuple(pair["noun"]) for pair in common["pairs"]},
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
        qualities=_texts(frames["qualities"]),
        quality_tails=_texts(frames["quality_tails"]),
        refusals=tuple(frames["refusals"]),
    )
