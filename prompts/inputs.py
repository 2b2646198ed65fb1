"""Inputs: the values that a template declares, checked and made harmless before they are rendered."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

from prompts.escaping import neutralise

TYPES: Final = {
    "text": "one line of text",
    "integer": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "choice": "one of the input's `choices`",
    "item": "one catalogue item: {token, title, year, genres, rating, ...}; only token must be given",
    "items": "a list of items, the oldest first",
    "texts": "a list of lines of text",
    "data": "nested lists and dicts of plain values",
}
MISSING: Final = object()
_MAX_DEPTH = 8
_TOKEN = re.compile(r"<item_[^<>\s]{1,64}>")
_ITEM_KEYS: Final = frozenset(("token", "title", "year", "genres", "rating"))


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input. ``default`` is MISSING where a value must be given; ``choices`` belongs to type ``choice``."""

    name: str
    type: str
    description: str = ""
    default: Any = MISSING
    choices: tuple[str, ...] = ()

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
        return _plain(value, self.name, 0)


def _item(value: Any, tokens: set[str], name: str, place: int | None) -> dict[str, Any]:
    try:
        return _read_item(value, tokens)
    except ValueError as error:
        raise ValueError(f"{name if place is None else f'{name}[{place}]'}{error}") from None


def _read_item(value: Any, tokens: set[str]) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError(_wrong("", "an item (a dict with `token`)", value))
    token = value.get("token", MISSING)
    if token not in tokens if type(token) is str else True:
        if token is MISSING:
            raise ValueError(": has no `token`: give the policy's token of the item, such as <item_318>")
        if type(token) is not str or not _TOKEN.fullmatch(token):
            raise ValueError(f".token: {_show(token)} is no item token: it must look like <item_318>")
        tokens.add(token)
    title = value.get("title", "")
    genres = value.get("genres", [])
    year = value.get("year")
    rating = value.get("rating")
    if type(genres) is not list:
        raise ValueError(_wrong(".genres", "a list of texts", genres))
    if year is not None and type(year) is not int:
        raise ValueError(_wrong(".year", "a whole number or nothing", year))
    if rating is not None:
        rating = _number(rating, ".rating")
    item = {
        "token": token,
        "title": _text(title, ".title"),
        "year": year,
        "genres": [_text(genre, ".genres") for genre in genres],
        "rating": rating,
    }
    if not value.keys() <= _ITEM_KEYS:
        for key in value.keys() - _ITEM_KEYS:
            item[_text(key, ".key")] = _plain(value[key], f".{key}", 1)
    return item


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


def _plain(value: Any, where: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ValueError(f"{where}: nested more than {_MAX_DEPTH} deep: flatten it")
    if value is None or type(value) is bool or type(value) is int:
        return value
    if type(value) is str:
        return neutralise(value)
    if type(value) is float:
        return _number(value, where)
    if type(value) is list:
        return [_plain(entry, f"{where}[{place}]", depth + 1) for place, entry in enumerate(value)]
    if type(value) is dict:
        return {_text(key, f"{where} key"): _plain(entry, f"{where}.{key}", depth + 1) for key, entry in value.items()}
    raise ValueError(_wrong(where, "plain data (dict, list, str, int, float, bool, None)", value))


def _wrong(where: str, wanted: str, value: Any) -> str:
    return f"{where}: must be {wanted}, not {type(value).__name__} {_show(value)}"


def _show(value: Any) -> str:
    """A short form of a value for a message; foreign objects are not asked for their repr."""
    if type(value) in (str, int, float, bool, list, dict, type(None)):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    return f"of {type(value).__module__}"
