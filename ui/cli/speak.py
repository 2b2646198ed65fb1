"""The verb ``concierge speak``: the language adapter as a server for wordings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ui.cli.options import ModelOption
from ui.cli.terminal import out


class SpeakError(Exception):
    """The server cannot start as asked; the message says what to change."""


def add_to(app: typer.Typer) -> None:
    """Mount the verb on the root command."""
    app.command(epilog="Example: concierge speak --port 8001, then: concierge chat --wording http://127.0.0.1:8001/v1")(
        speak
    )


def speak(
    model: ModelOption = None,
    language: Annotated[
        Path | None, typer.Option(help="A language adapter's folder (default: the shipped one).", show_default=False)
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; other machines then need the key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8001,
) -> None:
    """Serve the language adapter to other programs, by OpenAI's chat protocol.

    With an API key in $CONCIERGE_WORDING_KEY only who sends it is answered.
    """
    import uvicorn

    from agent.data.assets import resolve_model
    from agent.generation.local import LANGUAGE, Speech
    from agent.generation.openai import KEY_VARIABLE
    from ui.chat.speech_api import speech_app
    from ui.cli.chat import is_loopback

    key = os.environ.get(KEY_VARIABLE)
    if not key and not is_loopback(host):
        raise SpeakError(f"--host {host} lets other machines in: put an API key into ${KEY_VARIABLE}")
    speech = Speech.load(language or LANGUAGE, Path(resolve_model(model)))
    out().print(f"{speech.card.version} is at http://{host}:{port}/v1 (Ctrl-C stops it)", soft_wrap=True)
    uvicorn.run(speech_app(speech, key), host=host, port=port, log_level="warning")
