"""What the browser tests share: the app in a process of its own, Chromium, and a page that watches itself."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, Request, expect, sync_playwright

SERVER = Path(__file__).with_name("chat_server.py")
START_SECONDS = 600  # the first start on a machine fits the evidence
WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class ChatServer:
    """The app on ``port``, and the same app with a catalogue of hostile titles on ``hostile_port`` (0: not that)."""

    folder: Path
    port: int = field(default_factory=free_port)
    hostile_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the app is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def hostile_url(self) -> str:
        """Where the app with the hostile catalogue is."""
        return f"http://127.0.0.1:{self.hostile_port}"

    @property
    def output(self) -> Path:
        """What the process printed."""
        return self.folder / "server.log"

    def start(self) -> None:
        """Start the process and wait until both apps answer."""
        command = [sys.executable, str(SERVER), str(self.folder), str(self.port), str(self.hostile_port)]
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=SERVER.parent.parent)
        end = time.monotonic() + START_SECONDS
        for url in (self.url, self.hostile_url) if self.hostile_port else (self.url,):
            while not answers(url):
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    raise RuntimeError(f"the chat did not come up:\n{self.output.read_text()[-4000:]}")
                time.sleep(0.2)

    def kill(self) -> None:
        """Stop the process as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def answers(url: str) -> bool:
    """Whether a page comes from ``url``."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium; the tests are skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium: install it so that `chromium` is on the path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """One person's browser at the chat, with what a person does there; ``foreign`` and ``errors`` must stay empty."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        self.context.set_default_timeout(WAIT_MS)
        self.page: Page = self.context.new_page()
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", self._watch)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.open()

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:", "blob:")):
            self.foreign.append(request.url)

    def _refuse(self, dialog: Dialog) -> None:
        self.errors.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def open(self) -> None:
        """Open or reload the page and wait until it shows this person's chat."""
        self.page.goto(self.url)
        self.page.wait_for_selector("#message textarea")
        self.page.wait_for_selector(".welcome, #transcript")
        expect(self.page.locator("#chats")).to_be_attached()
        self.page.wait_for_selector("#beliefs .beliefs", state="attached")

    def say(self, text: str) -> None:
        """Send a message and wait until its answer is complete."""
        before = self.page.locator("#transcript .user.message").count()
        self.page.fill("#message textarea", text)
        self.page.press("#message textarea", "Enter")
        expect(self.page.locator("#transcript .user.message")).to_have_count(before + 1)
        self.settled()

    def settled(self) -> None:
        """Wait until the answer is complete: only then can it be taken back."""
        expect(self.page.locator("#undo")).to_be_visible()

    def titles(self) -> list[str]:
        """The names of the films on the cards: title and year."""
        return [card.get_attribute("aria-label") or "" for card in self.page.locator("#cards .card").all()]

    def close(self) -> None:
        """Leave."""
        self.context.close()
