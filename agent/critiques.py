"""Critiques: wishes that compare with what was shown or named ("newer", "less violent", "more obscure")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Critique:
    """``more`` (or less) of an ``aspect`` than ``items``, the catalogue indices that were shown or named."""

    aspect: str
    more: bool
    items: tuple[int, ...] = ()
