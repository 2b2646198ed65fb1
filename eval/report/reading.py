"""Reading: which verb's document a file holds, and whether every field of it is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eval.report import documents, log_documents
from eval.report.documents import Document


class ReportError(ValueError):
    """A report cannot be made as asked; the message names the file and the field, or what to give."""


KINDS: Mapping[str, tuple[type[Document], tuple[str, ...]]] = {
    "ranking": (documents.RankingDocument, ("rows.0.protocol", "left_out")),
    "policy": (documents.PolicyDocument, ("rare_items",)),
    "reward": (documents.RewardDocument, ("rows.0.reliability",)),
    "off-policy": (log_documents.SelfCheckDocument, ("coverage",)),
    "off-policy-log": (log_documents.OffPolicyDocument, ("diagnostics",)),
    "live": (log_documents.LiveDocument, ("periods",)),
    "experiments": (log_documents.ExperimentsDocument, ("arms",)),
    "ppo": (log_documents.CurvesDocument, ("over_optimisation",)),
    "speed": (log_documents.SpeedDocument, ("machine",)),
}
"""The documents by name: how each is checked, and a field that only it has."""


def read_document(path: Path) -> tuple[str, dict[str, Any]]:
    """Which document a file holds, and the document.

    Raises:
        ReportError: the file is missing, no JSON object, none of the documents, or a field of it is missing or wrong;
            the message names the file and the field.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{path} is no file: give what a verb printed with --json") from None
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ReportError(f"{path}: a JSON object is needed, as a verb prints it with --json")
    for kind, (_, marks) in KINDS.items():
        if any(_holds(value, mark) for mark in marks):
            checked(kind, value, str(path))
            return kind, value
    known = ", ".join(f"{marks[0].replace('.0.', '[0].')} ({kind})" for kind, (_, marks) in KINDS.items())
    raise ReportError(f"{path}: no document that a report can show: none of these fields is there: {known}")


def checked(kind: str, value: Mapping[str, Any], where: str) -> Document:
    """The document with its fields checked.

    Raises:
        ReportError: a field is missing or wrong; the message begins with ``where`` and names the field.
    """
    model, _ = KINDS[kind]
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ReportError(f"{where}: field {_field(first['loc'])}: {_reason(first)}") from error


def _holds(value: Any, mark: str) -> bool:
    for step in mark.split("."):
        if isinstance(value, list):
            value = value[0] if value else None
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return False
    return True


def _field(location: tuple[int | str, ...]) -> str:
    # Names of the alternatives of a union are no fields.
    steps = [step for step in location if step not in ("Bounds", "Refused")]
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".") or "(all)"


def _reason(error: Any) -> str:
    if error["type"] == "missing":
        return "is missing"
    text = str(error["msg"]).removeprefix("Value error, ")
    given = json.dumps(error["input"], default=str)
    return text if error["type"] == "value_error" else f"{text[:1].lower()}{text[1:]}, not {given[:80]}"
