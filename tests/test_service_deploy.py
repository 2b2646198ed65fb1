"""The files for running the service elsewhere name what there is: metrics, routes, options."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from typer.testing import CliRunner

from agent.service.http import Service, build_http
from agent.service.watch import Metrics
from agent.service.workers import Workers
from ui.cli.main import app as command

FOLDER = Path(__file__).resolve().parent.parent / "ui" / "deploy"
KNOWN_ELSEWHERE = {"up", "process_resident_memory_bytes"}


def metric_names() -> set[str]:
    found = set(KNOWN_ELSEWHERE)
    for family in Metrics().registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        found |= {family.name + suffix for suffix in suffixes}
    return found


def expressions() -> list[str]:
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
    panels = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))["panels"]
    return [rule["expr"] for rule in rules] + [own["expr"] for panel in panels for own in panel["targets"]]


@pytest.mark.parametrize("expression", expressions())
def test_alerts_and_panels_ask_for_metrics_that_there_are(expression: str) -> None:
    named = set(re.findall(r"\b(?:concierge|process)_\w+", expression))
    assert named <= metric_names()
    assert expression.count("(") == expression.count(")")


def test_every_alert_says_what_to_do() -> None:
    for rule in yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]:
        assert rule["for"] and rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def documents() -> dict[str, dict[str, Any]]:
    return {own["kind"]: own for own in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text("utf-8"))}


def test_probes_ask_for_routes_that_there_are() -> None:
    routes = build_http(Service({}, cast(Any, None), Workers(1))).openapi()["paths"]
    container = documents()["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in routes


def test_containers_are_started_with_options_that_there_are() -> None:
    container = documents()["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    lines = (FOLDER / "Dockerfile").read_text("utf-8").splitlines()
    started = json.loads(next(line for line in lines if line.startswith("CMD")).removeprefix("CMD "))
    help_text = CliRunner().invoke(command, ["serve", "--help"], terminal_width=200).output
    for arguments in (container["args"], started):
        assert arguments[0] == "serve"
        assert all(option in help_text for option in arguments if option.startswith("--"))


def test_nothing_runs_as_root_or_writes_to_its_own_files() -> None:
    pod = documents()["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    for container in (*pod["containers"], *pod["initContainers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
    users = [line for line in (FOLDER / "Dockerfile").read_text("utf-8").splitlines() if line.startswith("USER")]
    assert users and not users[-1].startswith("USER 0")
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    assert compose["services"]["concierge"]["read_only"]
    mounted = [volume.split(":")[0] for own in compose["services"].values() for volume in own["volumes"]]
    files = [FOLDER / name for name in mounted if name.startswith("./") and name != "./prometheus-key"]
    assert files and all(path.is_file() for path in files)
