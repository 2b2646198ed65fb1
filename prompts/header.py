"""Header: the YAML front matter of a template file, read strictly, with the line of every mistake."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import yaml

from prompts.errors import PromptError
from prompts.inputs import MISSING, TYPES, Input

ROLES: Final[dict[str, tuple[str, ...]]] = {
    "state": ("history", "like", "unlike", "request", "goal"),
    "explanation": (),
    "reply": (),
    "reward": ("history", "like", "unlike", "request"),
    "reward-text": ("history", "item"),
}
"""The roles, and the inputs that a template of that role is always given (so it must declare them)."""

_KEYS = ("name", "version", "role", "description", "system", "inputs", "shorten", "model", "examples")
_INPUT_KEYS = ("type", "description", "default", "choices")
_MODEL_KEYS = ("temperature", "top_p", "max_tokens")
_MAX_BRACKETS = 500  # the time that YAML takes grows with the square of their nesting
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RESERVED = frozenset(("range", "loop", "self", "caller", "varargs", "kwargs", "true", "false", "none", "not"))


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a language model is to be asked when it writes text: None leaves the model's own setting."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """Named sample inputs; they show what the template makes of them and are rendered by every check.

    ``expect`` makes a test case of one of role state: tokens or titles of items that are to be among the first picks.
    """

    name: str
    inputs: dict[str, Any]
    expect: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """The front matter. ``system`` None: no system message; ``shorten``: inputs in the order in which they give way."""

    name: str
    version: int
    role: str
    description: str
    system: str | None
    system_line: int
    inputs: Mapping[str, Input]
    shorten: tuple[str, ...]
    model: ModelSettings
    examples: tuple[Example, ...]


class _Reader:
    """Plain data of one YAML text, with the line (in the file) at which each value stands."""

    def __init__(self, text: str, file: str, first_line: int) -> None:
        self.file, self.first_line = file, first_line
        self.lines: dict[tuple[str | int, ...], int] = {}
        if text.count("[") + text.count("{") > _MAX_BRACKETS:
            raise PromptError(f"the front matter has more than {_MAX_BRACKETS} brackets: write lists as lines", file)
        loader = yaml.SafeLoader(text)
        try:
            node = None
            if any(isinstance(token, yaml.AliasToken | yaml.AnchorToken) for token in yaml.scan(text, yaml.SafeLoader)):
                raise PromptError("anchors (&) and aliases (*) are not used in front matter: quote the text", file)
            node = loader.get_single_node()
            if not isinstance(node, yaml.MappingNode):
                raise PromptError("the front matter must be `key: value` lines", file, first_line)
            self._walk(node, ())
            self.data: dict[str, Any] = loader.construct_document(node)
        except PromptError:
            raise
        except RecursionError:
            raise PromptError("the front matter is nested too deep: flatten it", file) from None
        except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that cannot be
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error)
            raise PromptError(
                f"the front matter is no valid YAML ({problem}): texts with : # {{ or [ need quotes",
                file,
                None if mark is None else mark.line + first_line,
            ) from None
        finally:
            loader.dispose()

    def _walk(self, node: yaml.Node, path: tuple[str | int, ...]) -> None:
        self.lines[path] = node.start_mark.line + self.first_line
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                line = key.start_mark.line + self.first_line
                if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                    raise PromptError("keys must be plain words", self.file, line)
                if key.value in seen:
                    raise PromptError(f"{key.value!r} is given twice: keep one", self.file, line)
                seen.add(key.value)
                self._walk(value, (*path, key.value))
                self.lines[(*path, key.value)] = line
        elif isinstance(node, yaml.SequenceNode):
            for place, value in enumerate(node.value):
                self._walk(value, (*path, place))

    def error(self, message: str, *path: str | int) -> PromptError:
        while path and path not in self.lines:
            path = path[:-1]
        return PromptError(message, self.file, self.lines[path])

    def table(self, value: Any, keys: Iterable[str] | None, what: str, *path: str | int) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(f"{what} must be `key: value` lines", *path)
        for key in value if keys is not None else ():
            if key not in keys:  # type: ignore[operator]
                raise self.error(f"unknown key {key!r} in {what}: {suggest(key, keys or ())}", *path, key)
        return value

    def typed(self, data: Mapping[str, Any], key: str, kind: type, default: Any, *path: str | int) -> Any:
        value = data.get(key, default)
        if value is MISSING:
            raise self.error(f"{key!r} is missing: add `{key}: ...`", *path)
        if value is not default and type(value) is not kind:
            raise self.error(f"{key!r} must be {_WORDS[kind]}, not {value!r:.60}", *path, key)
        return value


_WORDS = {str: "text (quote it if in doubt)", int: "a whole number", list: "a list", dict: "`key: value` lines"}


@lru_cache(maxsize=64)  # edits are mostly to the body
def read_header(text: str, file: str, first_line: int = 2) -> Header:
    """Read front matter; ``first_line`` is the line of the file on which ``text`` starts.

    Raises:
        PromptError: a key is unknown, missing, given twice or of the wrong type; with file, line and the fix.
    """
    reader = _Reader(text, file, first_line)
    data = reader.table(reader.data, _KEYS, "the front matter")
    name = reader.typed(data, "name", str, MISSING)
    if not _NAME.fullmatch(name):
        raise reader.error(f"name {name!r} must be a lower-case word such as `state` or `short-reply`", "name")
    version = reader.typed(data, "version", int, MISSING)
    if not 1 <= version < 10**9:
        raise reader.error(f"version {version} must count from 1", "version")
    role = reader.typed(data, "role", str, MISSING)
    if role not in ROLES:
        raise reader.error(f"unknown role {role!r}: {suggest(role, ROLES)}", "role")
    inputs = _inputs(reader, reader.table(data.get("inputs", {}), None, "'inputs'", "inputs"))
    for needed in ROLES[role]:
        if needed not in inputs:
            raise reader.error(f"a template of role {role} is given {needed!r}: declare it under inputs", "inputs")
    for extra, declared in inputs.items() if ROLES[role] else ():
        if extra not in ROLES[role] and declared.default is MISSING:
            raise reader.error(f"nobody gives {extra!r} to role {role}: add a `default`", "inputs", extra)
    return Header(
        name=name,
        version=version,
        role=role,
        description=reader.typed(data, "description", str, MISSING),
        system=reader.typed(data, "system", str, None),
        system_line=reader.lines.get(("system",), first_line),
        inputs=inputs,
        shorten=_shorten(reader, reader.typed(data, "shorten", list, ()), inputs),
        model=_model(reader, reader.table(data.get("model", {}), _MODEL_KEYS, "'model'", "model")),
        examples=_examples(reader, reader.typed(data, "examples", list, ()), inputs, role),
    )


def _inputs(reader: _Reader, table: dict[str, Any]) -> dict[str, Input]:
    inputs = {}
    for name, entry in table.items():
        at = ("inputs", name)
        if not _VARIABLE.fullmatch(name) or name in _RESERVED:
            raise reader.error(f"input {name!r} must be a lower-case word that Jinja does not use itself", *at)
        entry = reader.table(entry, _INPUT_KEYS, f"input {name!r}", *at)
        kind = reader.typed(entry, "type", str, MISSING, *at)
        if kind not in TYPES:
            raise reader.error(f"unknown type {kind!r} of input {name!r}: {suggest(kind, TYPES)}", *at, "type")
        choices = tuple(reader.typed(entry, "choices", list, (), *at))
        if (kind == "choice") != bool(choices) or not all(type(choice) is str for choice in choices):
            raise reader.error(f"input {name!r}: `choices` is a list of words, and belongs to type choice", *at)
        declared = Input(name, kind, reader.typed(entry, "description", str, "", *at), choices=choices)
        if "default" in entry:
            try:
                declared.read(entry["default"], set())
            except ValueError as error:
                raise reader.error(f"the default does not fit the type: {error}", *at, "default") from None
            declared = Input(name, kind, declared.description, entry["default"], choices)
        inputs[name] = declared
    return inputs


def _shorten(reader: _Reader, names: Iterable[Any], inputs: Mapping[str, Input]) -> tuple[str, ...]:
    for place, name in enumerate(names):
        if name not in inputs:
            raise reader.error(f"'shorten' names {name!r}: {suggest(str(name), inputs)}", "shorten", place)
        if inputs[name].type not in ("items", "texts", "text"):
            raise reader.error(f"{name!r} cannot be shortened: only items, texts and text can", "shorten", place)
    return tuple(names)


def _model(reader: _Reader, table: dict[str, Any]) -> ModelSettings:
    limits = {"temperature": (0, 5), "top_p": (0, 1), "max_tokens": (1, 100_000)}
    for key, value in table.items():
        low, high = limits[key]
        whole = type(value) is int
        if not (whole or (key != "max_tokens" and type(value) is float)) or not low <= value <= high:
            raise reader.error(f"{key} must be a number from {low} to {high}, not {value!r:.60}", "model", key)
    return ModelSettings(**table)


def _examples(reader: _Reader, entries: Iterable[Any], inputs: Mapping[str, Input], role: str) -> tuple[Example, ...]:
    examples = []
    for place, entry in enumerate(entries):
        at = ("examples", place)
        entry = reader.table(entry, ("name", "inputs", "expect"), "an example", *at)
        values = reader.table(entry.get("inputs", {}), inputs, "the example's inputs", *at, "inputs")
        for name, declared in inputs.items():
            if name not in values and declared.default is MISSING:
                raise reader.error(f"the example gives no {name!r}, which has no default", *at)
            try:
                declared.read(values.get(name, declared.default), set())
            except ValueError as error:
                raise reader.error(f"the example's {error}", *at, "inputs", name) from None
        expect = tuple(reader.typed(entry, "expect", list, (), *at))
        if not all(type(own) is str for own in expect):
            raise reader.error("`expect` is a list of titles or item tokens, in quotes", *at, "expect")
        if expect and role != "state":
            raise reader.error(f"nothing is picked by a template of role {role}: leave `expect` out", *at, "expect")
        examples.append(Example(reader.typed(entry, "name", str, MISSING, *at), values, expect))
    return tuple(examples)


def suggest(word: str, known: Iterable[str]) -> str:
    """The end of an error message: the likeliest meant word, or the list of known ones."""
    known = list(known)
    close = difflib.get_close_matches(word[:80], known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(known) or '(none declared)'}"
