"""Escaping: text of users and items may not imitate a role marker or an item token, and otherwise stays readable."""

from __future__ import annotations

import re
from functools import lru_cache

TOKEN = re.compile(r"<item_[^<>\s]{1,64}>")
"""An item token as the policy writes it."""

MARKER = re.compile(
    r"<\|[^<>\s]{0,64}?\|>"  # <|im_start|>, <|eot_id|>, <|user|>
    r"|<｜[^<>\s]{0,64}?｜>"  # the same with full-width bars
    r"|</?(?:s|bos|eos|pad|unk|mask|system|user|assistant|start_of_turn|end_of_turn|start_header_id|end_header_id)>"
    r"|<</?SYS>>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS|CLS|SEP|MASK|PAD)\]",
    re.IGNORECASE,
)
"""Strings that chat templates and tokenizers use to part roles."""

_DROPPED = re.compile("[\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SUSPECT = re.compile(r"[<＜﹤\[]|[|｜][>＞﹥]")
_CLOSED = re.compile(r"[<＜﹤]([^\s<>＜＞﹤﹥]*)[>＞﹥]")
_OPEN = re.compile(r"[<＜﹤](?=[A-Za-z/|｜!<‹_])")
_CLOSING = re.compile(r"(?<=[|｜])[>＞﹥]")
_BRACKET = re.compile(r"\[(/?[A-Z@][A-Z_@]+)\]")


def neutralise(text: str) -> str:
    """One line of text that no tokenizer can read as a marker.

    Runs of white space become one blank (so nothing can start a line of its own), invisible control characters go,
    and angle brackets that enclose a word or start a tag become ``‹`` and ``›``; ``[INST]`` becomes ``(INST)``.
    ``a < b`` and ``<3`` are left alone.
    """
    return _short(text) if len(text) <= 200 else _neutralise(text)


def _neutralise(text: str) -> str:
    text = " ".join(_DROPPED.sub("", _SURROGATE.sub("\ufffd", text)).split())
    if _SUSPECT.search(text):
        text = _CLOSED.sub(r"‹\1›", text)
        text = _OPEN.sub("‹", text)
        text = _CLOSING.sub("›", text)
        text = _BRACKET.sub(r"(\1)", text)
    return text


_short = lru_cache(maxsize=1 << 16)(_neutralise)  # titles and categories come back in every row of a training set


def defuse(text: str, given: set[str]) -> str:
    """Rendered text without role markers, and without item tokens other than ``given``.

    The last check, after rendering: a template may have put together a marker from harmless parts.
    """
    if MARKER.search(text):
        text = MARKER.sub(lambda match: _blunt(match[0]), text)
    if not given.issuperset(TOKEN.findall(text)):
        text = TOKEN.sub(lambda match: match[0] if match[0] in given else _blunt(match[0]), text)
    return text


def _blunt(marker: str) -> str:
    return marker.translate(str.maketrans("<>[]", "‹›()"))
