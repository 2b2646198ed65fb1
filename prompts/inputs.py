"""Inputs: the values that a template declares, checked and made harmless before they are rendered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from prompts.escaping import TOKEN, neutralise

TYPES: Final = {
    "text": "one line of text",
    "integer": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "choice": "one of the input's `choices`",
    "item": "one catalogue item: {token, title, year, categories, rating, ...}; only token must be given",
    "items": "a list of items, the oldest first",
    "texts": "a list of lines of text",
    "data": "nested lists and dicts of plain values",
}
MISSING: Final = object()
PACKS: Final[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "templates" / "packs.yaml").read_text("utf-8"))
"""``packs.yaml``: the ``default`` pack, and what keys of items were called in older templates (``former``)."""
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input. ``default`` is MISSING where a value must be given; ``choices`` goes with type ``choice``."""

    name: str
    type: str
    description: str = ""
    default: Any = MISSING
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is MISSING

    def read(self, value: Any, tokens: set[str]) -> Any:
        """The value as the template will see it: a copy of plain data with all text neutralised.

        Item tokens that occur in it are added to ``tokens``.

        Raises:
            ValueError: the value has the wrong type or form; the message starts with where in the value.
        """
        kind = self.type
        if kind == "items":
            if type(value) is not list:
                raise ValueError(_wrong(self.name, "a list of items", value))
            return [_item(entry, tokens, self.name, place) for place, entry in enumerate(value)]
        if kind == "text":
            return _text(value, self.name)
        if kind == "choice":
            if type(value) is not str or value not in self.choices:
                raise ValueError(f"{self.name}: {_show(value)} is none of {', '.join(self.choices)}")
            return value
        if kind == "texts":
            if type(value) is not list:
                raise ValueError(_wrong(self.name, "a list of texts", value))
            return [_text(entry, f"{self.name}[{place}]") for place, entry in enumerate(value)]
        if kind == "item":
            return _item(value, tokens, self.name, None)
        if kind == "integer":
            if type(value) is not int:
                raise ValueError(_wrong(self.name, "a whole number", value))
            return value
        if kind == "number":
            return _number(value, self.name)
        if kind == "flag":
            if type(value) is not bool:
                raise ValueError(_wrong(self.name, "true or false", value))
            return value
        return plain(value, self.name, 0)


def _item(value: Any, tokens: set[str], name: str, place: int | None) -> dict[str, Any]:
    try:
        return _read_item(value, tokens)
    except ValueError as error:
        raise ValueError(f"{name if place is None else f'{name}[{place}]'}{error}") from None


def _read_item(value: Any, tokens: set[str]) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError(_wrong("", "an item (a dict with `token`)", value))
    key = next((key for key in ("categories", *PACKS["former"]) if key in value), "categories")
    categories = value.get(key, [])
    if type(categories) is not list:
        raise ValueError(_wrong(f".{key}", "a list of texts", categories))
    parts = (value.get("token"), value.get("title", ""), value.get("year"), *categories)
    try:
        known = _known(*parts)
    except TypeError:  # something in it cannot be hashed, so it is no text either
        known = _known.__wrapped__(*parts)
    item = known.copy()
    tokens.add(item["token"])
    rating = value.get("rating")
    item["rating"] = None if rating is None else _number(rating, ".rating")
    if not value.keys() <= item.keys():
        for key in value.keys() - item.keys():
            item[_text(key, ".key")] = plain(value[key], f".{key}", 1)
    return item


@lru_cache(maxsize=1 << 15, typed=True)  # the same items come back in every row of a training set
def _known(token: Any, title: Any, year: Any, *categories: Any) -> dict[str, Any]:
    if token is None:
        raise ValueError(": has no `token`: give the policy's token of the item, such as <item_318>")
    if type(token) is not str or not TOKEN.fullmatch(token):
        raise ValueError(f".token: {_show(token)} is no item token: it must look like <item_318>")
    if year is not None and type(year) is not int:
        raise ValueError(_wrong(".year", "a whole number or nothing", year))
    item = {
        "token": token,
        "title": _text(title, ".title"),
        "year": year,
        "categories": [_text(category, ".categories") for category in categories],
        "rating": None,
    }
    return item | {former: item[key] for former, key in PACKS["former"].items()}


def _text(value: Any, where: str) -> str:
    if type(value) is not str:
        raise ValueError(_wrong(where, "text", value))
    return neutralise(value)


def _number(value: Any, where: str) -> int | float:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int:
        return value
    raise ValueError(_wrong(where, "a finite number", value))


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """A copy of nested plain data with all text neutralised; ``depth`` counts the levels it lies in already.

    Raises:
        ValueError: something in it is not plain data, not finite, or too deep; ``where`` starts the message.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"{where}: nested more than {_MAX_DEPTH} deep: flatten it")
    if value is None or type(value) is bool or type(value) is int:
        return value
    if type(value) is str:
        return neutralise(value)
    if type(value) is float:
        return _number(value, where)
    if type(value) is list:
        return [plain(entry, f"{where}[{place}]", depth + 1) for place, entry in enumerate(value)]
    if type(value) is dict:
        return {_text(key, f"{where} key"): plain(entry, f"{where}.{key}", depth + 1) for key, entry in value.items()}
    raise ValueError(_wrong(where, "plain data (dict, list, str, int, float, bool, None)", value))


def _wrong(where: str, wanted: str, value: Any) -> str:
    return f"{where}: must be {wanted}, not {type(value).__name__} {_show(value)}"


def _show(value: Any) -> str:
    """A short form of a value for a message; foreign objects are not asked for their repr."""
    if type(value) in (str, int, float, bool, list, dict, type(None)):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"of {type(value).__module__}"
