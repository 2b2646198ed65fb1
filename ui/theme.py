"""Theme: colours, type and the page's own style and script. Fonts are the system's: nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils.fonts import Font

STYLE = Path(__file__).with_name("style.css")
STUDIO_STYLE = Path(__file__).parent / "studio" / "studio.css"
LIVE_STYLE = Path(__file__).parent / "live" / "live.css"
TRENDS_STYLE = Path(__file__).parent / "trends" / "trends.css"

SCRIPT = Path(__file__).with_name("page.js").read_text("utf-8")
"""Runs once when the page has loaded: the chosen theme, messages that are never lost, and what is brought into view."""

_CHAT = """(stored) => {
  if (document.querySelector('#beliefs .beliefs')) return stored;
  const hex = (byte) => byte.toString(16).padStart(2, '0');
  const token = () => [...crypto.getRandomValues(new Uint8Array(16))].map(hex).join('');
  const shown = sessionStorage.getItem('concierge-chat');
  const tab = window.conciergeTab ??= {owner: token(), conversation: shown || token()};
  return {...tab, ...(stored?.owner && {owner: stored.owner})};
}"""
OWN_CHAT = f"(stored) => [({_CHAT})(stored)]"
"""The browser keeps whose chats they are; which of them is shown is the tab's, so that a second tab is another chat.

Until the page is shown they are named here: what is sent before that belongs to the same chat.
"""

SENDING = f"async (text, stored) => {{ await window.conciergeSent?.(text); return [text, ({_CHAT})(stored)]; }}"
"""A message is shown at once, whenever the server answers, and goes out when the server has those before it."""

TOGGLE = """() => {
  const dark = document.body.classList.toggle('dark');
  localStorage.setItem('concierge-theme', dark ? 'dark' : 'light');
}"""


def theme() -> gr.themes.Base:
    """A calm theme: warm grey surfaces, one deep green for what can be pressed, amber for stars."""
    sans = [Font(name) for name in ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")]
    mono = [Font(name) for name in ("ui-monospace", "Menlo", "Consolas", "monospace")]
    return gr.themes.Base(
        primary_hue=gr.themes.colors.emerald,
        secondary_hue=gr.themes.colors.stone,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_lg,
        font=sans,
        font_mono=mono,
    ).set(
        body_background_fill="#faf9f7",
        body_background_fill_dark="#161513",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1f1e1b",
        background_fill_secondary="#f4f2ee",
        background_fill_secondary_dark="#1b1a18",
        body_text_color="#26241f",
        body_text_color_dark="#ece9e2",
        body_text_color_subdued="#67625a",
        body_text_color_subdued_dark="#a9a396",
        border_color_primary="#e4e0d8",
        border_color_primary_dark="#37342e",
        block_border_width="1px",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1f1e1b",
        block_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="#26241f",
        button_primary_background_fill="#0f6b52",
        button_primary_background_fill_hover="#0b5541",
        button_primary_background_fill_dark="#127a5f",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_hover="#f1eee8",
        button_secondary_background_fill_dark="#292722",
        button_secondary_background_fill_hover_dark="#35322c",
        button_secondary_border_color="#dcd7cd",
        button_secondary_border_color_dark="#3e3a33",
        button_secondary_text_color="#35322c",
        button_secondary_text_color_dark="#e4e0d8",
    )
