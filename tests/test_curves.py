"""Curves of a PPO run as JSON and pictures, its live figures in the terminal, and its TensorBoard logs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from agent.data.dataset import Dataset
from agent.data.rows import RowError
from tests.small_policy import make_small_policy, small_run
from training.curves import CurvesError, curves, over_optimisation, read_history, write_curves
from training.progress import MissingTensorBoard, need_tensorboard
from ui.cli.main import app
from ui.cli.train_ppo import live_run, small_curve


def _history(steps: int = 40, probe_every: int = 10) -> list[dict[str, float]]:
    entries: list[dict[str, float]] = [{"step": 0, "probe": 0.66, "probe_error": 0.02, "seconds": 1.0}]
    for step in range(1, steps + 1):
        entry = {name: step / steps for name in ("reward", "gain", "kl", "entropy", "value_loss", "clip_fraction")}
        entry |= {"step": step, "kl_coef": 0.05, "distinct": 100.0}
        if step % probe_every == 0:
            entry |= {"probe": 0.7 - step / 1000, "probe_error": 0.02}
        entries.append(entry)
    return entries


def _write(folder: Path, history: list[dict[str, float]]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "history.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in history))
    return folder


def test_over_optimisation_sets_what_is_paid_beside_what_is_real() -> None:
    points = over_optimisation(_history(20))
    assert points[0] == {"step": 0, "click_rate": 0.66, "standard_error": 0.02, "kl": 0.0, "gain": 0.0}
    assert [point["step"] for point in points] == [0, 10, 20]
    # Means over steps 1 to 10 and 11 to 20.
    assert [point["kl"] for point in points[1:]] == pytest.approx([5.5 / 20, 15.5 / 20])
    assert points[2]["gain"] == points[2]["kl"] and points[2]["click_rate"] == pytest.approx(0.68)


def test_curves_are_written_as_json_and_a_page_of_plots(tmp_path: Path) -> None:
    run = _write(tmp_path / "run", _history())
    result = CliRunner().invoke(app, ["train", "curves", str(run), "--json"])
    assert result.exit_code == 0, result.output
    first, page, *_ = [Path(name) for name in json.loads(result.stdout)["files"]]
    data = json.loads(first.read_text())
    assert first.name == "curves.json" and data == curves(_history())
    assert set(data["series"]) == {
        "reward", "probe", "kl", "kl_coef", "entropy", "value_loss", "clip_fraction", "distinct",
    }  # fmt: skip
    assert data["series"]["probe"]["steps"] == [0, 10, 20, 30, 40] and data["series"]["kl"]["unit"] == "nats"
    drawn = [path.read_text() for path in (run / "report_plots").glob("*.svg")]
    assert len(drawn) == len(data["series"]) + 2, "and what is paid, and what is liked, against the divergence"
    assert all(own.count("<path") > 5 for own in drawn)
    for series in data["series"].values():
        assert series["title"] in page.read_text()


def test_a_run_without_probes_or_critic_has_the_curves_that_it_has(tmp_path: Path) -> None:
    bare = [
        {name: value for name, value in entry.items() if name not in ("probe", "value_loss", "clip_fraction")}
        for entry in _history()[1:]
    ]
    run = _write(tmp_path / "run", bare)
    assert write_curves(run) == run / "curves.json"
    assert set(curves(bare)["series"]) == {"reward", "kl", "kl_coef", "entropy", "distinct"}
    shown = CliRunner().invoke(app, ["train", "curves", str(run)])
    assert shown.exit_code == 0 and "fewer than two probes" in (run / "report.md").read_text()


def test_what_is_no_history_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CurvesError, match=r"history\.jsonl is missing: give the --output folder"):
        read_history(tmp_path)
    with pytest.raises(CurvesError, match="no step yet"):
        write_curves(_write(tmp_path / "early", _history()[:1]))
    broken = _write(tmp_path / "broken", _history())
    with (broken / "history.jsonl").open("a") as file:
        file.write('{"step": 41, "rew')
    with pytest.raises(RowError, match=r"history\.jsonl, line 42: "):
        read_history(broken)
    result = CliRunner().invoke(app, ["train", "curves", str(tmp_path)])
    assert result.exit_code == 2


def test_the_terminal_shows_every_figure_while_a_run_goes_on() -> None:
    screen = io.StringIO()
    with live_run(Console(file=screen, force_terminal=True, width=120, color_system=None)) as (report, watch):
        for entry in _history():
            report("training", int(entry["step"]), 40)
            watch(entry)
    last = screen.getvalue()
    for title in ("reward", "click rate", "KL to the start", "KL weight", "entropy", "value loss", "clip fraction"):
        assert title in last, title
    assert "40/40" in last and "+1.000" in last and "0.660" in last and "▁" in last
    # Standard error that is no terminal stays clean.
    plain = io.StringIO()
    with live_run(Console(file=plain)) as (report, watch):
        report("training", 1, 2)
        watch(_history()[1])
    assert plain.getvalue() == ""


def test_a_small_curve_spans_from_its_least_to_its_largest() -> None:
    assert small_curve([0.0, 1.0]) == "▁█" and small_curve([2.0, 2.0]) == "▁▁"
    assert small_curve(range(100), width=4) == "▁▃▆█"


def test_a_run_leaves_curves_and_tensorboard_scalars(dataset: Dataset, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen: list[dict[str, float]] = []
    small = make_small_policy(dataset, tmp_path / "adapter")
    run = small_run(small, tmp_path / "run", watch=seen.append, tensorboard=True)
    assert seen == run.history
    data = json.loads((tmp_path / "run" / "curves.json").read_text())
    assert data == json.loads(json.dumps(curves(run.history)))
    assert all(point["standard_error"] > 0 for point in data["over_optimisation"])
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    for name in ("reward", "kl", "entropy", "value_loss", "clip_fraction", "kl_weight", "distinct", "probe"):
        in_history = "kl_coef" if name == "kl_weight" else name
        logged = {event.step: event.value for event in events.Scalars(f"train/{name}")}
        assert logged == pytest.approx({e["step"]: e[in_history] for e in run.history if in_history in e}, rel=1e-5)


def test_tensorboard_that_is_not_installed_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.progress.find_spec", lambda name: None)
    with pytest.raises(MissingTensorBoard, match=r"pip install 'concierge-recommender\[tensorboard\]'"):
        need_tensorboard()
    result = CliRunner().invoke(app, ["train", "ppo", "--tensorboard"])
    assert result.exit_code == 2
