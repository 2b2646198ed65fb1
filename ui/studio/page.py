"""Studio page: the components of the prompts tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ui.studio.editor import MARK
from ui.studio.template_lookup import person

LONGEST_TEMPLATE = 64 * 1024
"""Longest text that the editor sends, in characters."""
FEWEST_USERS, MOST_USERS = 10, 500


class StudioPage:
    """Builds the components inside the current Blocks; it holds them, never a person's state."""

    def __init__(self, samples: Sequence[str], accounts: bool) -> None:
        with gr.Row(elem_classes=["studio"]):
            with gr.Column(scale=6, min_width=320, elem_classes=["studio-edit"]):
                with gr.Row(elem_classes=["studio-pick"]):
                    self.name = gr.Dropdown(
                        ["state"], value="state", label="Template", scale=2, min_width=120, elem_id="studio-name"
                    )
                    self.version = gr.Dropdown(
                        [], label="Version", scale=5, min_width=200, filterable=False, elem_id="studio-version"
                    )
                self.notice = gr.HTML("", elem_id="studio-notice")
                self.code = gr.Code(
                    language="jinja2", label="Template file", lines=18, max_lines=34, wrap_lines=True,
                    interactive=True, elem_id="studio-code", buttons=["copy"],
                )  # fmt: skip
                self.problem = gr.HTML("", js_on_load=MARK, elem_id="studio-problem")
                with gr.Row(elem_classes=["studio-save"]):
                    self.author = gr.Textbox(
                        value="" if accounts else person(), label="Author", max_length=80, scale=2, min_width=120,
                        visible=not accounts, elem_id="studio-author",
                    )  # fmt: skip
                    self.note = gr.Textbox(
                        label="Note", placeholder="What changes, and why", max_length=500, scale=5, min_width=180,
                        elem_id="studio-note",
                    )  # fmt: skip
                with gr.Row(elem_classes=["studio-buttons"]):
                    self.save = gr.Button(
                        "Save as a draft", size="md", variant="primary", min_width=140, elem_id="studio-save"
                    )
                    self.discard = gr.Button("Throw edits away", size="md", min_width=140, elem_id="studio-discard")
                with gr.Accordion("Changes to the file", open=False, elem_id="studio-changes"):
                    self.diff = gr.HTML("", elem_id="studio-diff")
            with gr.Column(scale=6, min_width=320, elem_classes=["studio-see"]):
                with gr.Row(elem_classes=["studio-pick"]) as self.viewer:
                    self.sample = gr.Dropdown(
                        list(samples), value=samples[0], label="Sample viewer", filterable=False, scale=2,
                        min_width=150, elem_id="studio-sample",
                    )  # fmt: skip
                    self.wish = gr.Textbox(
                        label="Their wish", max_length=400, scale=4, min_width=180, elem_id="studio-wish"
                    )
                with gr.Row(elem_classes=["studio-previews"]):
                    self.mine = gr.HTML("", elem_id="studio-mine")
                    self.theirs = gr.HTML("", elem_id="studio-theirs")
                self.gone = gr.HTML("", elem_id="studio-gone")
        with gr.Row(elem_classes=["studio"]):
            with gr.Column(scale=6, min_width=320, elem_classes=["studio-panel"]) as self.measure:
                gr.HTML(
                    "<h3>Test on users</h3><p class=quiet>Offline, on validation users, against what serves now.</p>"
                )
                with gr.Row(elem_classes=["studio-buttons"]):
                    self.users = gr.Slider(
                        FEWEST_USERS, MOST_USERS, value=50, step=10, label="Users", scale=4, min_width=180,
                        elem_id="studio-users",
                    )  # fmt: skip
                    self.test = gr.Button("Test", size="md", min_width=100, scale=1, elem_id="studio-test")
                self.result = gr.HTML("", min_height=60, elem_id="studio-result")
            with gr.Column(scale=6, min_width=320, elem_classes=["studio-panel"]):
                gr.HTML("<h3>Serve</h3><p class=quiet>The chat follows from the next message on.</p>")
                self.serving = gr.HTML("", elem_id="studio-serving")
                with gr.Row(elem_classes=["studio-buttons"]):
                    self.activate = gr.Button(
                        "Activate this version", size="md", min_width=160, elem_id="studio-activate"
                    )
                    self.roll_back = gr.Button("Roll back", size="md", min_width=110, elem_id="studio-rollback")
                with gr.Accordion("Experiment", open=False, elem_id="studio-experiment") as self.experiment:
                    gr.HTML("<p class=quiet>This version and the one that serves share the conversations.</p>")
                    with gr.Row(elem_classes=["studio-buttons"]):
                        self.weight = gr.Slider(
                            1, 99, value=50, step=1, label="Percent for this version", scale=4, min_width=180,
                            elem_id="studio-weight",
                        )  # fmt: skip
                        self.share = gr.Button("Share", size="md", min_width=100, scale=1, elem_id="studio-share")
                    self.show_report = gr.Button("Show what people did", size="sm", elem_id="studio-show-report")
                    self.report = gr.HTML("", elem_id="studio-report")

    @property
    def editing(self) -> list[Any]:
        """What changes when another text comes into the editor."""
        return [
            self.name,
            self.version,
            self.notice,
            self.code,
            self.viewer,
            self.measure,
            self.experiment,
            self.report,
            self.serving,
        ]

    @property
    def preview(self) -> list[Any]:
        """What follows every change of the text or the viewer."""
        return [self.problem, self.mine, self.theirs, self.gone, self.diff]
