"""The verb ``concierge doctor``: is everything here that Concierge needs?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from ui.cli.terminal import JsonOption, out, print_json, working

_MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


def add_to(app: typer.Typer) -> None:
    """Add the verb to the root."""
    app.command(epilog="Example: concierge doctor --json")(doctor)


def doctor(as_json: JsonOption = False) -> None:
    """Check Python, packages, assets, folders, memory, device, database; exit with 1 if something needed is missing."""
    from ui.cli import health

    with working("Checking"):
        findings = health.check()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            out().print(f"{_MARKS[finding.status]}  {finding.subject}: {finding.detail}", soft_wrap=True)
            if finding.fix:
                out().print(f"         fix: {finding.fix}", soft_wrap=True)
    if any(finding.status == "problem" for finding in findings):
        raise typer.Exit(1)
