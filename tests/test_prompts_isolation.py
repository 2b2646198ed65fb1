"""Templates that are not trusted: known escapes, bombs and random programs end in an error, and nothing gets out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import prompts
from prompts import PromptError, isolation
from tests.draft import HEAD, render

ROOT = Path(__file__).resolve().parent.parent


def test_it_renders_as_the_process_itself_does() -> None:
    state = prompts.load("state")
    for example in state.header.examples:
        assert prompts.render_isolated(state.source, example.inputs) == state.render(**example.inputs)


ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ films.__class__.__base__.__subclasses__() }}",
    "{{ text|attr('__class__') }}",
    "{{ [text]|map('attr', '__class__')|list|join }}",
    "{{ [text]|map(attribute='__class__')|join }}",
    "{{ films|map(attribute='token.__class__')|join }}",
    "{{ films|selectattr('token.__class__')|list|length }}",
    "{{ films|sum(attribute='token.__class__') }}",
    "{{ '{0.__class__}'.format(text) }}",
    "{{ '{0.__class__}'['format'](text) }}",
    "{{ '{a.__class__}'.format_map({'a': text}) }}",
    "{{ '%s' % text }}",
    "{{ '%0999999999d'|format(1) }}",
    "{{ text.upper.__self__ }}",
    "{{ text.upper }}",
    "{{ text.join.__globals__ }}",
    "{{ text.encode() }}",
    "{{ range.__globals__ }}",
    "{{ range }}",
    "{{ range ~ '' }}",
    "{{ text.upper ~ '' }}",
    "{{ [text.upper]|join }}",
    "{{ {'a': text.upper}|upper }}",
    "{{ (text|list)[0].upper|replace('a', 'b') }}",
    "{% for f in films %}{{ loop.cycle ~ '' }}{% endfor %}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ joiner('x') }}",
    "{{ namespace(a=1).a }}",
    "{{ lipsum(9) }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ dict(a=1) }}",
    "{{ self }}",
    "{{ self|trim }}",
    "{{ [self]|join }}",
    "{{ [text.nothing] ~ '' }}",
    "{{ ['ab'|map('map', attribute='a')]|upper }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ config }}",
    "{{ request.application }}",
    "{{ environment }}",
    "{{ context }}",
    "{{ resolve }}",
    "{{ __import__('os') }}",
    "{{ open('/etc/passwd').read() }}",
    "{% macro m() %}{% endmacro %}{{ m.__call__.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% for f in films %}{{ loop._iterable }}{% endfor %}",
    "{% for f in films %}{{ loop.__class__ }}{% endfor %}",
    "{% for f in films %}{{ loop }}{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% extends 'base' %}",
    "{% block b %}{{ self.b() }}{% endblock %}",
    "{% autoescape true %}{{ '{0.__class__}'.format(text) }}{% endautoescape %}",
    "{% set films.x = 1 %}",
    "{{ films.append(1) }}",
    "{{ films[0].update({'token': 'x'}) }}",
    "{{ films[0].clear() }}",
    "{{ text|pprint }}{{ text|xmlattr }}{{ text|random }}",
    "{% debug %}",
    "{{ (text|safe).unescape() }}",
    "{{ text is callable }}",
    "{{ text is filter }}",
]


@pytest.mark.parametrize("body", ESCAPES)
def test_escapes_end_in_a_clear_error(body: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(body)
    assert caught.value.file == "<draft>"
    assert caught.value.line == HEAD.count("\n") + 1
    assert len(caught.value.message) <= 500


BOMBS = {
    "{{ 'x' * 50_000_000 }}": "'*' would make 50,000,000 elements",
    "{{ ['x'] * 50_000_000 }}": "'*' would make 50,000,000 elements",
    "{{ 10 ** 10 ** 10 }}": "exponents up to 16",
    "{{ range(10 ** 9)|length }}": "Range too big",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}": "takes longer than 0.9 s",
    "{% for i in range(99999) %}{% set y = range(99999)|sum %}{% endfor %}": "takes longer than 0.9 s",
    "{% for i in range(99999) %}aaaaaaaaaa{% endfor %}": "writes more than",
    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(1) }}": "calls itself without end",
    "{% for t in [text] recursive %}{{ loop([text]) }}{% endfor %}": "calls itself without end",
    "{% macro d(n, s) %}{{ s if n == 0 else d(n - 1, s ~ s) }}{% endmacro %}{{ d(40, text) }}": "MB of memory",
    "{% macro t(n) %}{% if n %}{{ t(n - 1) }}{{ t(n - 1) }}{% endif %}{% endmacro %}{{ t(60) }}": "takes longer",
    "{{ text|replace('', 'a' * 9999)|replace('', 'b' * 9999)|length }}": "MB of memory",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}": "nested too deep",
    "{{ " + "not " * 9000 + "1 }}": "nested too deep",
    "{{ " + "-" * 9000 + "1 }}": "nested too deep",
    "{% if text %}" * 300 + "{% endif %}" * 300: "nested too deep",
    "{{ 1.5|round(100000000, 'ceil') }}": "takes longer than 0.9 s",
}


@pytest.mark.parametrize("body", BOMBS)
def test_bombs_end_in_a_clear_error(body: str) -> None:
    with pytest.raises(PromptError) as caught:
        render(body)
    assert BOMBS[body] in str(caught.value)
    assert render("{{ text }}") == "some words"  # and the next template is served


@pytest.mark.parametrize("filtered", ["unique", "reverse", "map('upper')", "select", "reject('none')"])
def test_filters_give_lists_and_no_generators_with_addresses(filtered: str) -> None:
    assert render("{{ [text, text]|" + filtered + " ~ '' }}").startswith("[")


def test_a_bomb_in_the_front_matter_is_refused() -> None:
    layers = "".join(f"  a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    with pytest.raises(PromptError, match="anchors"):
        prompts.render_isolated(f"---\ninputs:\n  a0: &a0 [x]\n{layers}---\nx", {})
    with pytest.raises(PromptError, match="nested too deep"):
        prompts.check_isolated(f"---\nname:\n  {'- ' * 2_000}x\n---\nx")
    with pytest.raises(PromptError, match="more than 500 brackets"):
        prompts.check_isolated(f"---\nname: {'[' * 5_000}\n---\nx")
    with pytest.raises(PromptError, match="no valid YAML"):
        prompts.check_isolated(f"---\nversion: {'9' * 5_000}\n---\nx")
    with pytest.raises(PromptError, match=r"front matter is 17,0\d\d characters long: the limit is 16,384"):
        prompts.check_isolated(f"---\nname: {'x' * 17_000}\n---\nx")
    with pytest.raises(PromptError, match="the limit is 65,536"):
        prompts.check_isolated(HEAD + "x" * 70_000)


@pytest.mark.parametrize("value", [b"x", object(), {1, 2}, ("x",), float("nan"), {"a": Path("x")}])
def test_only_plain_data_goes_in(value: Any) -> None:
    with pytest.raises(PromptError, match="input text"):
        render("{{ text }}", text=value)


def test_the_process_has_neither_the_environment_nor_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCIERGE_TEST_KEY", "secret")
    isolation.close()
    render("{{ text }}")
    process = isolation._workers[0].process.pid
    if sys.platform == "linux":
        assert b"secret" not in Path(f"/proc/{process}/environ").read_bytes()
        limits = Path(f"/proc/{process}/limits").read_text("ascii")
        assert re.search(rf"Max address space\s+{isolation.MEMORY}\s", limits)
        assert re.search(r"Max open files\s+3\s", limits)
        assert re.search(r"Max file size\s+0\s", limits)
        assert {int(entry) for entry in os.listdir(f"/proc/{process}/fd")} == {0, 1, 2}


def test_the_process_is_kept_and_replaced_when_it_dies() -> None:
    render("{{ text }}")
    first = isolation._workers[0].process
    render("{{ count }}")
    assert isolation._workers[0].process is first
    first.kill()
    first.wait()
    assert render("{{ text }}") == "some words"
    assert isolation._workers[0].process is not first


def test_several_threads_may_render_at_once() -> None:
    results: dict[int, list[str]] = {}

    def work(number: int) -> None:
        results[number] = [render("{{ count }}", count=number * 100 + i) for i in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [str(number * 100 + i) for i in range(20)] for number in range(4)}


def test_a_forked_child_starts_its_own_process() -> None:
    program = (
        "import os, prompts, sys\n"
        "source = sys.stdin.read()\n"
        "prompts.render_isolated(source, {})\n"
        "child = os.fork()\n"
        "for i in range(20): assert prompts.render_isolated(source, {'count': i}).messages[0]['content'] == str(i)\n"
        "sys.exit(0) if child == 0 else sys.exit(os.waitpid(child, 0)[1])\n"
    )
    source = HEAD + "{{ count }}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], input=source, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0
