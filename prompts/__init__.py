"""Prompts: the template files that the language model reads, and their safe rendering.

    template = prompts.load("state")
    rendered = template.render(history=[{"token": "<item_50>", "rating": 5}], goal="next")
    rendered.text(tokenizer)

See ``prompts/README.md`` for how to write a template.
"""

from prompts.errors import PromptError
from prompts.isolation import IsolatedTemplate, check_isolated, render_isolated
from prompts.library import (
    DEFAULT_PACK,
    FOLDER,
    TemplateSource,
    attach,
    load,
    names,
    packs,
    pinned,
    read,
    renumbered,
    shelf,
)
from prompts.template import Rendered, Template, parse

__all__ = [
    "DEFAULT_PACK",
    "FOLDER",
    "IsolatedTemplate",
    "PromptError",
    "Rendered",
    "Template",
    "TemplateSource",
    "attach",
    "check_isolated",
    "load",
    "names",
    "packs",
    "parse",
    "pinned",
    "read",
    "render_isolated",
    "renumbered",
    "shelf",
]
