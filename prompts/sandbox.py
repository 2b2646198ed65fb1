"""Sandbox: the Jinja environment that templates run in, with nothing in it but what wording needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, nodes, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

_AN = re.compile(r"[aeioAEIO](?<!eu)|[uU](?!ni[^nm]|se|[kK]\b|[sS]\b)|[xX]box|rnb\b|[FHLMNRSX](?:[A-Z0-9]|\b)")

# fmt: off
_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "first", "float", "int", "join", "last", "length", "list", "lower",
    "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sort", "sum",
    "title", "trim", "truncate", "unique", "upper", "wordcount",
)
_LAZY = ("map", "reject", "rejectattr", "reverse", "select", "selectattr", "unique")
_TESTS = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "gt", "greaterthan", "in",
    "integer", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sameas", "sequence",
    "string", "true", "undefined", "upper", "==", "!=", ">", ">=", "<", "<=",
)
_METHODS: dict[type, tuple[str, ...]] = {
    str: ("capitalize", "endswith", "lower", "lstrip", "rstrip", "split", "startswith", "strip", "title", "upper"),
    dict: ("get", "items", "keys", "values"),
    list: ("count", "index"),
    LoopContext: (
        "changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length", "nextitem", "previtem",
        "revindex", "revindex0",
    ),
}
# fmt: on
_BANNED: dict[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from ... import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.ScopedEvalContextModifier: "autoescape",
}
_MAX_PRODUCT = 10_000


class _Method:
    """Something that can be called and nothing else; as text it would show an address in memory."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        raise SecurityError("a method is no text: call it with ()")


class _Strict(StrictUndefined):
    """A missing value that cannot become text in a list either."""

    __slots__ = ()
    __repr__ = Undefined._fail_with_undefined_error


def _listed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter with a list for a result instead of a generator, for the same reason."""

    @wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        return value if isinstance(value, str) else list(value)

    return filtered


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's immutable sandbox, narrowed to allow-lists of filters, tests, methods and one global (``range``)."""

    intercepted_binops = frozenset(("*", "**", "%", "+", "-", "/", "//"))

    def __init__(self) -> None:
        """Set the options that every template shares; undefined names are errors."""
        # Not optimized: constants are not computed while compiling, where a failure would have no line.
        super().__init__(undefined=_Strict, trim_blocks=True, lstrip_blocks=True, optimized=False, finalize=_finalize)
        self.globals.clear()
        self.globals["range"] = _Method(safe_range)
        self.filters = {name: self.filters[name] for name in _FILTERS}
        self.filters |= {name: _listed(self.filters[name]) for name in _LAZY}
        self.filters |= {"stars": stars, "rated": rated, "tokens": tokens, "quoted": quoted, "listed": listed}
        self.filters |= {"article": article}
        self.tests = {name: self.tests[name] for name in _TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """``item.title``: the dict's own key first, so that data called ``items`` or ``count`` is reachable."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if attribute in _METHODS.get(type(obj), ()):
            value = getattr(obj, attribute)
            return _Method(value) if callable(value) else value
        if isinstance(obj, Undefined):
            obj._fail_with_undefined_error()
        if type(obj) is dict:
            known = ", ".join(key for key in obj if isinstance(key, str)) or "nothing"
            return self.undefined(f"there is no {attribute!r} here: the value has {known}")
        return self.unsafe_undefined(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``item["title"]`` and ``history[0]``; a text in brackets reaches no further than after a dot."""
        try:
            return obj[argument]
        except (AttributeError, TypeError, LookupError):
            if isinstance(argument, str):
                return self.getattr(obj, str(argument))
            return self.undefined(f"there is no element {argument!r} in this {type(obj).__name__}")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only the listed methods of plain data and the counters of a loop."""
        return attr in _METHODS.get(type(obj), ())

    def is_safe_callable(self, obj: Any) -> bool:
        """Methods got past :meth:`is_safe_attribute` already; types and functions from elsewhere have no way in."""
        return not isinstance(obj, type) and super().is_safe_callable(obj)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic is for numbers; only short texts and lists may be repeated or joined."""
        number = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" and not (number and abs(left) <= 1000 and abs(right) <= 16):
            raise SecurityError("'**' takes numbers up to 1000 and exponents up to 16")
        if operator == "%" and not number:
            raise SecurityError("'%' is for numbers: join texts with ~")
        if operator == "*" and not number:
            size, times = (left, right) if isinstance(right, int) else (right, left)
            if hasattr(size, "__len__") and isinstance(times, int) and len(size) * times > _MAX_PRODUCT:
                raise SecurityError(f"'*' would make {len(size) * times:,} elements: the limit is {_MAX_PRODUCT:,}")
        return super().call_binop(context, operator, left, right)


def banned(tree: nodes.Template) -> tuple[str, int] | None:
    """The first statement that templates may not use, with its line in the body; None when there is none."""
    for node in tree.find_all(tuple(_BANNED)):
        return _BANNED[type(node)], node.lineno
    return None


def stars(rating: float | None) -> str:
    """A rating as one whole digit, halves rounded up; nothing for no rating."""
    return "" if rating is None else str(int(rating + 0.5))


def rated(items: list[dict[str, Any]]) -> str:
    """Item tokens, each followed at once by its :func:`stars`."""
    return "".join([item["token"] + stars(item["rating"]) for item in items])


def tokens(items: list[dict[str, Any]]) -> str:
    """Item tokens and nothing else."""
    return "".join([item["token"] for item in items])


def quoted(words: list[str]) -> list[str]:
    """Each text between the quotation marks that titles stand in."""
    return [f"“{word}”" for word in words]


def article(words: str) -> str:
    """The indefinite article that goes before ``words``: "a", or "an" where they begin with the sound of a vowel."""
    return "an" if _AN.match(words) else "a"


def listed(words: list[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


@pass_eval_context  # so marked, it too is left to run time
def _finalize(_: Any, value: Any) -> Any:
    """What ``{{ ... }}`` may print: text and numbers; None prints nothing; an address in memory never appears."""
    if type(value) is str or isinstance(value, Undefined):
        return value
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise SecurityError(f"{{{{ ... }}}} prints text and numbers, not a {type(value).__name__}: use a loop or |join")
