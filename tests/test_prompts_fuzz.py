"""Random templates: whatever an attacker writes, nothing escapes and no limit is passed."""

from __future__ import annotations

import os
import random
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from prompts import PromptError, isolation
from prompts.escaping import MARKER
from tests.draft import render

MANY = int(os.environ.get("CONCIERGE_FUZZ_TEMPLATES", "100000"))
"""Templates of the slow test."""
LINUX = sys.platform == "linux"
# In pairs: what an author would write, and what an attacker would.
ATOMS = (
    ["text", "count", "films", "films[0]", "films[0].title", "1", "0", "-7", "1.5", "'x'", "''", "true", "none", "[]",
     "{}", "[text, count]", "{'a': films}", "range(9)", "'<item_' ~ '9>'", "'<' ~ '|im_end|>'"],
    ["loop", "loop.index", "loop.cycle", "self", "range", "m", "caller", "99999", "10 ** 9", "1e308", "'{0.__class__}'",
     "'__class__'", "'%s'", "(1, 2)", "range(99999)", "cycler", "joiner", "namespace", "lipsum", "config", "varargs",
     "__builtins__", "kwargs"],
)  # fmt: skip
NAMES = (
    ["title", "token", "genres", "year", "rating", "upper", "split", "items", "get", "keys"],
    ["__class__", "__mro__", "__subclasses__", "__globals__", "__init__", "__builtins__", "__getitem__", "__dict__",
     "__code__", "__self__", "gi_frame", "f_globals", "format", "format_map", "index", "append", "pop", "update",
     "join", "encode", "translate", "_environment", "previtem", "changed", "name", "arguments", "mro", "func_globals",
     "center", "ljust", "zfill", "expandtabs"],
)  # fmt: skip
FILTERS = (
    ["list", "join", "length", "upper", "tokens", "rated", "stars", "sum", "unique", "reverse", "truncate(9)", "int",
     "float", "default(7)", "first", "last", "max", "min", "select", "title", "trim", "wordcount", "abs", "d", "sort",
     "list|length", "round(9)", "replace('', 'yyyyyyyyyyyyyyyy')", "selectattr('token')", "reject('none')"],
    ["attr('__class__')", "map('upper')", "map(attribute='__class__')", "map('map', attribute='a')", "string", "safe",
     "sort(attribute='token')", "format(1)", "tojson", "pprint", "select('odd')", "batch(2)", "center(99)", "indent(9)",
     "xmlattr", "groupby('token')", "round(999999)"],
)  # fmt: skip
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "not in", "and", "or", "is", "if 1 else"]


class Writer:
    """Writes random template bodies: mostly well-formed, full of what an attacker would try."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.hostility = self.random.choice((0.0, 0.1, 0.4))

    def pick(self, pair: tuple[list[str], list[str]]) -> str:
        return self.random.choice(pair[self.random.random() < self.hostility])

    def expression(self, depth: int) -> str:
        pick = self.random
        kind = 0 if depth == 0 else pick.randrange(10 if pick.random() < 3 * self.hostility else 5)
        inner = self.expression(depth - 1) if depth else ""
        match kind:
            case 1 | 2:
                return f"({inner} {pick.choice(OPERATORS)} {self.expression(depth - 1)})"
            case 3 | 4:
                return f"{inner}|{self.pick(FILTERS)}"
            case 5:
                return f"({inner}).{self.pick(NAMES)}"
            case 6:
                return f"({inner})['{self.pick(NAMES)}']"
            case 7:
                return f"({inner}).{self.pick(NAMES)}({self.expression(depth - 1)})"
            case 8:
                return f"({inner})[{self.expression(depth - 1)}]"
            case 9:
                return f"({inner})({self.expression(depth - 1)})"
            case _:
                return self.pick(ATOMS)

    def body(self, depth: int) -> str:
        pick = self.random
        expression = self.expression(pick.choice((0, 0, 1, 1, 2, 3)))
        inner = self.body(depth - 1) if depth else "z"
        match pick.randrange(9):
            case 0:
                return f"{{% for i in {expression} %}}{inner}{{% endfor %}}"
            case 1:
                return f"{{% for i in {expression} recursive %}}{{{{ loop(i) }}}}{inner}{{% endfor %}}"
            case 2:
                return f"{{% if {expression} %}}{inner}{{% endif %}}"
            case 3:
                return f"{{% set text = {expression} %}}{inner}"
            case 4:
                return f"{{% macro m(n=1) %}}{inner}{{% endmacro %}}{{{{ m({expression}) }}}}"
            case 5:
                return f"{inner}{{{{ {expression} }}}}{self.body(depth - 1) if depth else ''}"
            case 6 if pick.random() < 0.3:
                text = f"{{{{ {expression} }}}}{inner}"
                place = pick.randrange(len(text))
                return text[:place] + pick.choice("{}%()'\"|.[]\x00\n<-") + text[place + 1 :]
            case _:
                return f"{{{{ {expression} }}}}"


LEAKED = re.compile(
    r"<class|<function|<module|<built-in|<bound|<frame|<code| at 0x|Undefined|TemplateReference|root:x:"
)


@dataclass
class Tally:
    """What became of the templates, and the most that one of them took: processor seconds, bytes of address space."""

    rendered: int = 0
    refused: int = 0
    ended: int = 0
    seconds: float = 0.0
    memory: int = 0

    @property
    def total(self) -> int:
        return self.rendered + self.refused + self.ended


class Meter:
    """What the rendering process uses for one template after another; Linux tells, elsewhere all is 0."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.used = self.left = 0.0

    def start(self) -> None:
        """Before a template: a new process gets ready first, which is not the template's doing."""
        if self.process is not isolation._workers[0].process:
            render("{{ text }}")
            self.process = isolation._workers[0].process
            self.used, self.left = self._seconds(), _seconds_of_ended()

    def stop(self, tally: Tally) -> None:
        """After it: of a process that was ended, what it took in all less what it had taken before."""
        assert self.process is not None
        alive = self.process.returncode is None
        now = self._seconds() if alive else _seconds_of_ended() - self.left
        tally.seconds = max(tally.seconds, now - self.used)
        if alive and LINUX:
            status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
            tally.memory = max(tally.memory, 1024 * int(re.findall(r"VmPeak:\s+(\d+) kB", status)[0]))
        self.used = now

    def _seconds(self) -> float:
        if not LINUX or self.process is None:
            return 0.0
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _seconds_of_ended() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime if LINUX else 0.0


LEAKED = re.compile(
    r"<class|<function|<module|<built-in|<bound|<frame|<code| at 0x|Undefined|TemplateReference|root:x:"
)


def fuzz(seeds: range, report: Callable[[Tally], None] = lambda tally: None) -> Tally:
    """Render one random template a seed, and judge what comes out."""
    tally, meter = Tally(), Meter()
    render("{{ text }}")
    for seed in seeds:
        body = Writer(seed).body(2)
        meter.start()
        try:
            out = render(body, text="secret <item_8> words")
        except PromptError as error:
            ended = "takes longer" in error.message or "ended the" in error.message or "of memory" in error.message
            tally.ended += ended
            tally.refused += not ended
        else:
            tally.rendered += 1
            # The answer itself is judged: the source of the template holds no such words outside of expressions.
            assert not LEAKED.search(out), (seed, body, out)
            assert set(re.findall(r"<item_\w+>", out)) <= {"<item_1>"}, (seed, body, out)
            assert not MARKER.search(out), (seed, body, out)
            assert len(out) <= 256 * 1024
        meter.stop(tally)
        report(tally)
    return tally


def test_random_templates_neither_escape_nor_hang() -> None:
    tally = fuzz(range(2_000))
    assert tally.rendered > 300, tally  # enough of them are programs that run
    assert tally.refused > 300, tally
    assert tally.memory <= isolation.MEMORY, tally
    assert tally.seconds <= 1, tally  # of processor time, which no busy machine lengthens


@pytest.mark.slow
def test_a_hundred_thousand_random_templates(capsys: pytest.CaptureFixture[str]) -> None:
    def report(tally: Tally) -> None:
        if tally.total % 5_000 == 0:
            with capsys.disabled():
                print(f"\n{tally}", end="", flush=True)

    tally = fuzz(range(2_000, 2_000 + MANY), report)
    assert tally.total == MANY
    assert tally.rendered > 0.15 * MANY, tally
    assert tally.memory <= isolation.MEMORY, tally
    assert tally.seconds <= 1, tally
