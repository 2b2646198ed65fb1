"""A draft of a template around a body, rendered in the process for templates that are not trusted."""

from __future__ import annotations

from typing import Any

import prompts

HEAD = """\
---
name: draft
version: 1
role: reply
description: A test.
inputs:
  text: {type: text, default: some words}
  count: {type: integer, default: 3}
  films: {type: items, default: [{token: <item_1>, title: Alien, year: 1979, genres: [Horror]}]}
---
"""


def render(body: str, **inputs: Any) -> str:
    return prompts.render_isolated(HEAD + body, inputs).messages[-1]["content"]
