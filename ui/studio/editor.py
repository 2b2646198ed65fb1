"""Studio editor: what it holds as a file, and the mistake in a template under the line where it is."""

from __future__ import annotations

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
