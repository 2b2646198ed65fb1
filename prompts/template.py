"""Template: one prompt file, ready to render; Rendered: the messages that came of it."""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jinja2 import Template as Compiled
from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError, UndefinedError

from prompts.errors import PromptError
from prompts.escaping import MARKER, TOKEN, defuse
from prompts.header import Header, read_header, suggest
from prompts.inputs import MISSING
from prompts.sandbox import Sandbox, banned

MAX_SOURCE = 64 * 1024
"""Longest template file, in characters."""
MAX_HEADER = 16 * 1024
"""Longest front matter, in characters."""
MAX_OUTPUT = 256 * 1024
"""Longest rendered prompt, in characters over all its messages."""

_SANDBOX = Sandbox()


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered prompt: chat messages, and which template (by the SHA-256 of its file) they came from."""

    messages: list[dict[str, str]]
    name: str
    version: int
    hash: str

    def text(self, tokenizer: Any) -> str:
        """The string that the model reads, up to where its answer begins.

        Uses the tokenizer's chat template when it has one (a system message is put before the user's where the
        template knows no such role), else joins the contents by blank lines and ends with a line break.
        """
        if getattr(tokenizer, "chat_template", None) is None:
            return "\n\n".join(m["content"] for m in self.messages if m["content"]) + "\n"
        try:
            return _chat(tokenizer, self.messages)
        except TemplateError:
            if self.messages[0]["role"] != "system":
                raise
            system, first, *rest = self.messages
            joined = {"role": first["role"], "content": f"{system['content']}\n\n{first['content']}".strip()}
            return _chat(tokenizer, [joined, *rest])

    def ids(self, tokenizer: Any) -> list[int]:
        """Token ids of :meth:`text`; the tokenizer adds its own marks only where no chat template has set them."""
        plain = getattr(tokenizer, "chat_template", None) is None
        ids: list[int] = tokenizer(self.text(tokenizer), add_special_tokens=plain)["input_ids"]
        return ids


def _chat(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text


@dataclass(frozen=True)
class Template:
    """A parsed template. ``file`` is its path or name for messages, ``hash`` the SHA-256 of ``source``."""

    header: Header
    source: str = field(repr=False)
    file: str
    body_line: int = field(repr=False)

    @property
    def name(self) -> str:
        """The template's name, as in ``prompts.load(name)``."""
        return self.header.name

    @property
    def version(self) -> int:
        """The template's version, counted from 1."""
        return self.header.version

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the file's text, in hex."""
        return hashlib.sha256(self.source.encode("utf-8", "replace")).hexdigest()

    @property
    def reference(self) -> dict[str, object]:
        """Name, version and hash, as logs and answers state them."""
        return {"name": self.name, "version": self.version, "hash": self.hash}

    @cached_property
    def _body(self) -> Compiled:
        body = "\n".join(self.source.split("\n")[self.body_line - 1 :])
        return self._compile(body.rstrip(), self.body_line)

    @cached_property
    def _system(self) -> Compiled | None:
        system = self.header.system
        return None if system is None else self._compile(system.rstrip(), self.header.system_line)

    def _compile(self, text: str, first_line: int) -> Compiled:
        try:
            tree = _SANDBOX.parse(text)
            if (found := banned(tree)) is not None:
                raise self._error(f"{{% {found[0]} %}} is not available: a template stands alone", found[1], first_line)
            self._check_names(tree, first_line)
            compiled: Compiled = _SANDBOX.from_string(tree)
        except TemplateSyntaxError as error:
            raise self._error(f"{error.message}", error.lineno, first_line) from None
        except RecursionError:
            raise PromptError("statements or expressions are nested too deep: split them", self.file) from None
        except (PromptError, MemoryError):
            raise
        except Exception as error:  # what is odd enough to fail in Jinja or in Python's own compiler
            raise PromptError(f"cannot be compiled: {error}", self.file) from None
        return compiled

    def _check_names(self, tree: nodes.Template, first_line: int) -> None:
        undeclared = meta.find_undeclared_variables(tree) - set(self.header.inputs) - {"range"}
        for node in tree.find_all(nodes.Name):
            if node.name == "self":  # Jinja's own handle on the template, which has no business in a prompt
                raise self._error("'self' is not available: a template stands alone", node.lineno, first_line)
            if node.name in undeclared:
                hint = suggest(node.name, self.header.inputs)
                raise self._error(f"{node.name!r} is not declared under inputs: {hint}", node.lineno, first_line)

    @property
    def unused(self) -> tuple[str, ...]:
        """Declared inputs that a template in order never reads, as where ``{history}`` stands for ``{{ history }}``."""
        body = "\n".join(self.source.split("\n")[self.body_line - 1 :])
        read: set[str] = set()
        for text in (self.header.system or "", body):
            read |= meta.find_undeclared_variables(_SANDBOX.parse(text))
        return tuple(name for name in self.header.inputs if name not in read)

    def render(self, **inputs: Any) -> Rendered:
        """Fill the template in this process (for templates one trusts; see ``render_isolated`` for others).

        Raises:
            PromptError: an input is missing, undeclared or of the wrong type, or the body fails or writes too much.
        """
        declared = self.header.inputs
        if not inputs.keys() <= declared.keys():
            extra = next(key for key in inputs if key not in declared)
            raise PromptError(f"unknown input {extra!r}: {suggest(extra, declared)}", self.file)
        given: set[str] = set()
        values = {}
        try:
            for name, entry in declared.items():
                value = inputs.get(name, entry.default)
                if value is MISSING:
                    raise PromptError(f"input {name!r} ({entry.type}) is missing: it has no default", self.file)
                values[name] = entry.read(value, given)
        except PromptError:
            raise
        except ValueError as error:
            raise PromptError(f"input {error}", self.file) from None
        messages = []
        if self._system is not None:
            system = self._fill(self._system, values, self.header.system_line)
            messages.append({"role": "system", "content": defuse(system, given)})
        body = self._fill(self._body, values, self.body_line)
        messages.append({"role": "user", "content": defuse(body, given)})
        return Rendered(messages, self.name, self.version, self.hash)

    def _fill(self, compiled: Compiled, values: dict[str, Any], first_line: int) -> str:
        pieces, size = [], 0
        try:
            for piece in compiled.root_render_func(compiled.new_context(values)):
                size += len(piece)
                if size > MAX_OUTPUT:
                    raise PromptError(f"writes more than {MAX_OUTPUT:,} characters: shorten a loop", self.file)
                pieces.append(piece)
        except (PromptError, MemoryError):
            raise
        except RecursionError:
            raise PromptError("a macro or loop calls itself without end", self.file) from None
        except Exception as error:  # the body is somebody's program: whatever it raises is an error of the template
            line = _failing_line(error, compiled)
            kind = "" if isinstance(error, UndefinedError | SecurityError) else f"{type(error).__name__}: "
            raise self._error(f"{kind}{error}", line, first_line) from None
        return "".join(pieces).strip("\n")

    def _error(self, message: str, line: int | None, first_line: int) -> PromptError:
        return PromptError(message[:500], self.file, None if line is None else line + first_line - 1)

    def check(self) -> None:
        """Compile and render every example.

        Raises:
            PromptError: the first thing that is wrong.
        """
        _ = self._body, self._system
        for example in self.header.examples:
            if not self.render(**example.inputs).messages[-1]["content"]:
                raise PromptError(f"example {example.name!r} renders to nothing", self.file, self.body_line)

    def fit(self, tokenizer: Any, budget: int, **inputs: Any) -> Rendered:
        """Render within ``budget`` tokens, shortening inputs in the header's declared order.

        Lists lose their first (oldest) entries, texts their last words; an input gives way only when those named
        before it are used up. Everything else, the instructions above all, stays whole. Deterministic.

        Raises:
            PromptError: the prompt does not fit even when all that may be shortened is gone.
        """
        rendered = self.render(**inputs)
        if (size := len(rendered.ids(tokenizer))) <= budget:
            return rendered
        values = dict(inputs)
        for name in self.header.shorten:
            whole = values.get(name, self.header.inputs[name].default)
            if not whole:
                continue
            parts = whole.split() if isinstance(whole, str) else whole
            low, high = 0, len(parts) - 1  # the most parts that fit, by bisection
            while low < high:
                middle = (low + high + 1) // 2
                if len(self.render(**{**values, name: _shorter(whole, middle)}).ids(tokenizer)) <= budget:
                    low = middle
                else:
                    high = middle - 1
            values[name] = _shorter(whole, low)
            rendered = self.render(**values)
            if (size := len(rendered.ids(tokenizer))) <= budget:
                return rendered
        raise PromptError(
            f"needs {size} tokens with everything shortened that may be, but the budget is {budget}: "
            "shorten the wording, or name more inputs under `shorten`",
            self.file,
        )


def _shorter(whole: str | list[Any], parts: int) -> str | list[Any]:
    """The first words of a text, or the last entries of a list."""
    return " ".join(whole.split()[:parts]) if isinstance(whole, str) else whole[len(whole) - parts :]


def _failing_line(error: BaseException, compiled: Compiled) -> int | None:
    for frame, lineno in reversed(list(traceback.walk_tb(error.__traceback__))):
        if frame.f_globals.get("environment") is compiled.environment:
            return compiled.get_corresponding_lineno(lineno)
    return None


def parse(source: str, file: str = "<template>") -> Template:
    """Read a template's text. The Jinja parts are compiled when they are first used, or by ``check``.

    Raises:
        PromptError: the front matter is missing or wrong, or the text holds role markers or item tokens of its own.
    """
    if len(source) > MAX_SOURCE:
        raise PromptError(f"is {len(source):,} characters long: the limit is {MAX_SOURCE:,}", file)
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = source.split("\n")
    if lines[0].rstrip() != "---":
        raise PromptError("must start with a line `---`, the front matter, and another line `---`", file, 1)
    end = next((place for place, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        raise PromptError("the front matter has no end: put a line `---` before the body", file, len(lines))
    head = "\n".join(lines[1:end])
    if len(head) > MAX_HEADER:
        raise PromptError(f"front matter is {len(head):,} characters long: the limit is {MAX_HEADER:,}", file)
    header = read_header(head, file)
    body = "\n".join(lines[end + 1 :])
    for text, first_line in ((header.system or "", header.system_line), (body, end + 2)):
        if found := MARKER.search(text) or TOKEN.search(text):
            line = first_line + text.count("\n", 0, found.start())
            raise PromptError(
                f"writes {found[0]!r} itself: roles come from `system` and the body, item tokens from inputs",
                file,
                line,
            )
    if not body.strip():
        raise PromptError("has no body: write the prompt below the second `---`", file, end + 1)
    return Template(header, source, file, end + 2)
