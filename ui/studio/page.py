"""Studio page: the components of the prompts tab, and the mark in the editor where a template is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ui.studio.template_lookup import person

"""Longest text that the editor sends, in characters."""
SERVING = ("What serves", "")
"""The first choice of what the editor's text is compared with."""
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
                self.against = gr.Dropdown(
                    [SERVING], value="", label="Compare with", filterable=False, elem_id="studio-against"
                )
        with gr.Row(elem_classes=["studio"]):
            with gr.Column(scale=6, min_width=320, elem_classes=["studio-panel"]) as self.measure:
                gr.HTML(
                    "<h3>Test on users</h3><p class=quiet>Offline, on validation users, against the other version.</p>"
                )
                with gr.Row(elem_classes=["studio-buttons"]):
                    self.users = gr.Slider(
                        FEWEST_USERS, MOST_USERS, value=50, step=10, label="Users", scale=4, min_width=180,
                        elem_id="studio-users",
                    )  # fmt: skip
                    self.test = gr.Button("Test", size="md", min_width=100, scale=1, elem_id="studio-test")
                    self.cancel = gr.Button(
                        "Cancel", size="md", min_width=100, scale=1, visible=False, elem_id="studio-cancel"
                    )
                self.result = gr.HTML("", min_height=60, elem_id="studio-result")
                self.run_cases = gr.Button("Run the template's own test cases", size="sm", elem_id="studio-run-cases")
                self.cases = gr.HTML("", elem_id="studio-cases")
                with gr.Accordion("Earlier tests", open=False, elem_id="studio-earlier"):
                    self.earlier = gr.HTML("", elem_id="studio-tests")
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
            self.against,
            self.notice,
            self.code,
            self.viewer,
            self.measure,
            self.earlier,
            self.experiment,
            self.report,
            self.serving,
        ]

    @property
    def preview(self) -> list[Any]:
        """What follows every change of the text or the viewer."""
        return [self.problem, self.mine, self.theirs, self.gone, self.diff]


MARK = r"""
const style = document.head.appendChild(document.createElement('style'));
const quoted = (text) => '"' + text.replace(/["\\]/g, '\\$&').replace(/[\n\r\f]/g, ' ') + '"';
const place = (problem, lines, numbers) => {
  const row = numbers.findIndex((number) => number.textContent === problem.dataset.line);
  return row < 0 || !lines[row] ? 0 : [...lines[row].parentNode.children].indexOf(lines[row]) + 1;
};
const mark = () => {
  const root = document.getElementById('studio-code');
  const problem = element.querySelector('.problem[data-line]');
  let rule = '';
  if (root && problem) {
    const numbers = [...root.querySelectorAll('.cm-lineNumbers .cm-gutterElement')]
      .filter((number) => number.style.visibility !== 'hidden');
    const nth = place(problem, root.querySelectorAll('.cm-line'), numbers);
    const line = `#studio-code .cm-content > :nth-child(${nth})`;
    if (nth) rule = `
      ${line} { background: color-mix(in srgb, var(--against) 10%, transparent); }
      ${line}::after {
        content: ${quoted(problem.dataset.message)}; display: block; padding: 1px 0 3px; color: var(--against);
        font: 550 .8rem/1.35 var(--font); white-space: normal; overflow-wrap: anywhere;
      }`;
  }
  if (style.textContent === rule) return;
  style.textContent = rule;
  window.dispatchEvent(new Event('resize')); // the editor measures its lines again
};
let waiting = false;
const later = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; mark(); });
};
new MutationObserver(later).observe(element, {childList: true, subtree: true, attributes: true});
const editor = document.getElementById('studio-code');
if (editor) new MutationObserver(later).observe(editor, {childList: true, subtree: true});
later();
"""
"""Runs once for the component that holds :func:`ui.studio.html.problem_html`: the editor is a bought-in part whose
lines may not be touched, so a style rule paints the line and writes the message below it. The editor draws only the
lines in view; the numbers beside them say which those are."""


def file_text(code: str | None) -> str:
    """The file that the editor shows: Gradio's editor drops the blank lines and the line end that a text ends with."""
    return f"{(code or '').rstrip()}\n"
