"""Studio errors: what an author can mend is told in one line; the rest goes to the server's output too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import gradio as gr

from agent.store.template_versions import TemplateError
from eval.live.experiments import NoSlatesError
from prompts import PromptError
from ui.chat.turns import explained


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
