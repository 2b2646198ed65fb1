"""Studio access: who may work on the prompts, under which name, and how they learn what went wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import gradio as gr

from agent.store.template_versions import TemplateError
from eval.live.experiments import NoSlatesError
from prompts import PromptError
from ui.chat.session import Session
from ui.chat.turns import explained


class Access:
    """``authors`` are the accounts that may edit; None: there are no accounts, and whoever is at this machine may."""

    def __init__(self, authors: Collection[str] | None) -> None:
        self.authors = None if authors is None else frozenset(authors)

    def allowed(self, request: gr.Request) -> bool:
        """Whether this visitor is an author."""
        return self.authors is None or request.username in self.authors

    def check(self, request: gr.Request) -> None:
        """Refuse everybody else, also who calls the server without the page.

        Raises:
            gr.Error: the visitor is no author.
        """
        if not self.allowed(request):
            raise gr.Error(
                "Only authors may work on the prompts: ask whoever runs this server to add your account.",
                print_exception=False,
            )

    def author(self, request: gr.Request, typed: str) -> str:
        """The account's name; without accounts the name that was typed."""
        self.check(request)
        return str(request.username) if self.authors is not None else typed

    def owner(self, request: gr.Request, stored: Any) -> str:
        """Whose unsaved text it is: the account's, or the browser's."""
        self.check(request)
        return f"account:{request.username}" if self.authors is not None else Session.read(stored).owner_key


@contextmanager
def told() -> Iterator[None]:
    """Whatever goes wrong inside is shown to the author as a message, as text.

    Raises:
        gr.Error: in place of any other error.
    """
    with explained():
        try:
            yield
        except PromptError as error:
            raise refusal(error.message if error.line is None else f"Line {error.line}: {error.message}") from None
        except (TemplateError, NoSlatesError) as error:
            raise refusal(str(error)) from None


def refusal(text: str) -> gr.Error:
    """A message for the author alone: it is no fault of the server, whose output it would only fill."""
    return gr.Error(escape(text[:1].upper() + text[1:]), print_exception=False)
