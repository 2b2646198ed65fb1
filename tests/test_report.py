"""The report: its numbers are those of the documents, it needs nothing from outside, and it says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser
from typer.testing import CliRunner

from agent.data import dataset as datasets
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.features.model import EvidenceConfig, EvidenceModel
from agent.records.impression import Impression, Outcome
from agent.retrieval.sequence_model import RetrieverConfig
from agent.store.feedback import FeedbackLog
from eval.off_policy.self_check import Alarm, Coverage, SelfCheck
from eval.ranking import comparison
from eval.report import manifest, sections, sources
from eval.report.blocks import Report, Text, slug
from eval.report.building import build, write
from eval.report.documents import ReportError, read_document
from eval.report.sources import ReportRun, Verb, from_file
from tests.feedback_writer import feedback_event
from ui.cli.eval_report import run_verb
from ui.cli.main import app
from ui.cli.terminal import show_document

QUICK = EvidenceConfig(
    retriever=RetrieverConfig(width=16, layers=1, heads=1, length=20, epochs=1), folds=2, cuts=(5, 0.8), trees=30
)
MONDAY = 1_767_571_200.0 + 9 * 3600  # 2026-01-05, 09:00 UTC
DAY = 86_400.0


@dataclass
class Page(HTMLParser):
    """What a report's page holds: attributes that point somewhere, headings' anchors, and rows of cells."""

    links: list[tuple[str, str]] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    rows: list[list[tuple[str, float | None]]] = field(default_factory=list)
    styles: str = ""
    texts: int = 0

    def __post_init__(self) -> None:
        super().__init__()
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self._in = tag
        self.links += [(name, told[name] or "") for name in ("src", "href", "srcset", "action", "data") if name in told]
        if told.get("id"):
            self.anchors.append(str(told["id"]))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            value = told.get("data-value")
            self.rows[-1].append(("", None if value is None else float(value)))
        if tag == "img":
            assert told.get("alt"), "a picture without words for it"

    def handle_data(self, data: str) -> None:
        if self._in == "style":
            self.styles += data
        if self._in in ("td", "th") and self.rows and self.rows[-1]:
            text, value = self.rows[-1][-1]
            self.rows[-1][-1] = (text + data, value)

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def row(self, name: str) -> list[tuple[str, float | None]]:
        """The first row that begins with a name."""
        return next(row for row in self.rows if row and row[0][0].strip() == name)


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


@pytest.fixture(scope="module")
def few(dataset: Dataset) -> Dataset:
    ratings = indexed_ratings(dataset)
    return dataset.only(ratings[ratings["user"].isin(ratings["user"].unique()[:40])].reset_index(drop=True))


@pytest.fixture(scope="module")
def small(few: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Forty users and quick evidence under the name ml-100k, and an empty cache."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_CACHE", str(folder / "cache"))
        for module in (datasets, sources, manifest):
            patch.setattr(module, "load_dataset", lambda name: few)
        patch.setattr(comparison, "released_policies", list)
        patch.setattr(EvidenceModel, "cached", partial(EvidenceModel.cached, config=QUICK))
        yield folder


@pytest.fixture(scope="module")
def log(small: Path) -> Path:
    """Two conversations on Monday, one on Wednesday; the first film is liked, the second is not."""
    shown = feedback_event("someone", 0)
    assert isinstance(shown, Impression)
    path = small / "feedback.db"
    with FeedbackLog(path) as opened:
        for number, (conversation, when) in enumerate((("a", MONDAY), ("b", MONDAY + 60), ("c", MONDAY + 2 * DAY))):
            own = replace(shown, id=f"i{number}", conversation_id=conversation, timestamp=when)
            opened.record_impression(own)
            told: dict[str, Any] = {"impression_id": own.id, "conversation_id": conversation, "timestamp": when + 9}
            opened.record_outcome(Outcome(item_id="50", kind="liked" if number else "disliked", **told))
    return path


def ranking(protocol: str, *more: str) -> Verb:
    given = ("--users", "12", "--seed", "3", "--no-library", *more)
    return Verb("ranking", ("eval", "ranking", "--protocol", protocol, *given))


@pytest.fixture(scope="module")
def asked(log: Path) -> ReportRun:
    (log.parent / "rows").mkdir()
    rankings = [
        ranking("leave-one-out", "--compare", "popularity", "item mean"),
        ranking("rated-slate"),
        ranking("llara", "--rows", str(log.parent / "rows")),
    ]
    live = Verb("live", ("eval", "live", str(log)), kept=False)
    return ReportRun(verbs={"ranking": rankings, "live": [live]}, run=run_verb, log=log, seed=3)


SECTIONS = ("ranking", "live", "experiments", "ppo")


@pytest.fixture(scope="module")
def made(asked: ReportRun) -> Report:
    return build(asked, SECTIONS, command="concierge eval report --users 12")


@pytest.fixture(scope="module")
def files(made: Report, small: Path) -> Path:
    write(made, small / "out")
    return small / "out"


def test_numbers_of_the_page_are_those_of_the_json(files: Path) -> None:
    page = read(files / "report.html")
    told = json.loads((files / "report.json").read_text(encoding="utf-8"))
    ranking = [row for document in told["sections"]["ranking"] for row in document["rows"]]
    assert {"popularity", "item mean", "random"} <= {row["policy"] for row in ranking}
    for row in ranking[:2]:
        text, value = page.row(row["policy"])[1]
        metric = row["headline"][0]
        assert value == pytest.approx(row[metric], abs=0, rel=1e-12)
        low, high = row["ci"][metric]
        assert text.strip() == f"{row[metric]:.4f} [{low:.4f}, {high:.4f}]"
    random = next(row for row in ranking if row["policy"] == "random")
    cells = [value for _, value in page.row("random")]
    assert random["click_rate"] in cells and random["stars"] in cells
    (live,) = told["sections"]["live"]
    assert page.row("click through rate")[1][1] == live["total"]["metrics"]["click_through_rate"]["mean"] == 2 / 9


def test_every_section_says_n_part_seed_and_how_intervals_are_made(files: Path, made: Report) -> None:
    text = (files / "report.html").read_text(encoding="utf-8")
    assert re.search(r"12 cases of 12 users; part test; seed 3; 95 % intervals: percentile bootstrap over users", text)
    assert "3 conversations, 3 slates, 9 items shown, 3 reactions" in text
    assert "12 of 40 users, drawn by a hash with seed 3." in text
    page = read(files / "report.html")
    assert {section.name for section in made.sections} | {"manifest"} <= set(page.anchors)
    assert len(page.anchors) == len(set(page.anchors))
    markdown = (files / "report.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", markdown)
    assert pictures and all((files / name).is_file() for name in pictures)
    random = next(line for line in markdown.splitlines() if line.startswith("| random |"))
    assert page.row("random")[1][0].strip().replace("[", "\\[").replace("]", "\\]") in random


def test_the_manifest_says_how_to_make_it_again(files: Path, few: Dataset) -> None:
    manifest = json.loads((files / "report.json").read_text(encoding="utf-8"))["manifest"]
    assert manifest["command"] == "concierge eval report --users 12"
    assert manifest["seed"] == 3
    assert {"torch", "transformers", "altair"} <= set(manifest["packages"])
    assert few.fingerprint == manifest["data"]["ml-100k"]["sha256"]
    assert manifest["code"] and manifest["made"].endswith("UTC")
    first = manifest["documents"][0]["command"]
    assert first.startswith("concierge eval ranking --protocol leave-one-out --users 12 --seed 3 --no-library")


def test_nothing_outside_is_referred_to(files: Path) -> None:
    page = read(files / "report.html")
    assert all(value.startswith(("#", "data:")) for _, value in page.links), page.links
    assert "url(" not in page.styles and "@import" not in page.styles
    assert "default-src 'none'" in (files / "report.html").read_text(encoding="utf-8")


def test_a_second_run_works_nothing_out(asked: ReportRun, made: Report) -> None:
    def never(words: Sequence[str]) -> Any:
        raise AssertionError("worked out again")

    again = build(replace(asked, run=never, verbs={"ranking": asked.verbs["ranking"][:2]}), ("ranking",))
    before = [source for source in made.sources if source.kind == "ranking"]
    assert all(source.how.startswith("the cache") for source in again.sources)
    assert [json.dumps(source.value) for source in again.sources] == [json.dumps(source.value) for source in before]
    other = Verb("ranking", (*asked.verbs["ranking"][0].words, "--part", "valid"))
    for changed in (replace(asked, run=never, verbs={"ranking": [other]}), replace(asked, run=never, fresh=True)):
        with pytest.raises(AssertionError, match="worked out again"):
            build(changed, ("ranking",))


def test_protocols_that_do_not_apply_are_named_with_the_reason(made: Report) -> None:
    (section,) = (section for section in made.sections if section.name == "ranking")
    (last,) = section.parts[-1].blocks
    assert isinstance(last, Text) and "llara cannot be run on 'ml-100k'" in last.text


def test_an_empty_log_is_said_plainly(asked: ReportRun, tmp_path: Path) -> None:
    with FeedbackLog(tmp_path / "empty.db"):
        pass
    empty, gone = (
        replace(
            asked,
            log=tmp_path / name,
            verbs={"live": [Verb("live", ("eval", "live", str(tmp_path / name)), kept=False)]},
        )
        for name in ("empty.db", "none.db")
    )
    found = build(empty, ("live", "experiments"))
    texts = [block.text for section in found.sections for part in section.parts for block in part.blocks]  # type: ignore[union-attr]
    assert any("nothing was shown to anybody yet" in text for text in texts)
    assert any("No version of a template has served" in text for text in texts)
    for section in ("live", "experiments"):
        with pytest.raises(ValueError, match=r"none\.db is no file"):
            build(gone, (section,))


def test_a_section_that_cannot_be_made_says_why_unless_it_was_asked_for(asked: ReportRun) -> None:
    def refused(words: Sequence[str]) -> Any:
        raise ReportError("no slates of ten rated items")

    every = {name: [Verb(name, ("eval", name), kept=False)] for name in sections.SECTIONS}
    refusing = replace(asked, run=refused, verbs=every)
    found = build(refusing)
    assert [section.name for section in found.sections] == list(sections.SECTIONS)
    for section in found.sections:
        if section.name not in ("experiments", "ppo"):
            assert section.parts[-1].blocks == [Text("no slates of ten rated items", "quiet")]
    with pytest.raises(ReportError, match="no slates of ten rated items"):
        build(refusing, ("ranking",))


def printed(tmp_path: Path, name: str, value: Any) -> Path:
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture
def ranking_json(made: Report) -> dict[str, Any]:
    found = next(source.value for source in made.sources if source.kind == "ranking")
    return dict(json.loads(json.dumps(found)))


def without(value: dict[str, Any], *steps: str | int) -> dict[str, Any]:
    place: Any = value
    for step in steps[:-1]:
        place = place[step]
    del place[steps[-1]]
    return value


def test_a_document_from_a_file_is_shown_as_it_is(ranking_json: dict[str, Any], tmp_path: Path, small: Path) -> None:
    ranking_json["rows"][0]["ndcg@10"] = 0.123456789
    path = printed(tmp_path, "ranking.json", ranking_json)
    found = build(ReportRun(), files=[from_file(path)])
    assert [section.name for section in found.sections] == ["ranking"]
    page, _, told = write(found, tmp_path / "one.html")
    assert page == tmp_path / "one.html"
    first = ranking_json["rows"][0]["policy"]
    assert read(page).row(first)[1][1] == 0.123456789
    assert json.loads(told.read_text())["sections"]["ranking"] == [ranking_json]


def test_files_that_are_wrong_are_named_with_their_field(
    ranking_json: dict[str, Any], tmp_path: Path, small: Path
) -> None:
    cases: Sequence[tuple[Any, str]] = (
        ("{nothing", "cannot be read as JSON"),
        ([1], "a JSON object is needed"),
        ({"rows": []}, "no document that a report can show"),
        (without(json.loads(json.dumps(ranking_json)), "rows", 1, "kind"), r"field 'rows\[1\]\.kind' is missing"),
        (
            without(json.loads(json.dumps(ranking_json)), "rows", 1, "ndcg@10"),
            r"field 'rows\[1\]': 'ndcg@10' has an",
        ),
        ({**ranking_json, "seed": "many"}, "field 'seed': .*not 'many'"),
    )
    for number, (value, message) in enumerate(cases):
        path = printed(tmp_path, f"wrong{number}.json", value)
        with pytest.raises(ReportError, match=message) as error:
            read_document(path)
        assert path.name in str(error.value)
    done = CliRunner().invoke(
        app, ["eval", "report", "--from", str(tmp_path / "none.json"), "--output", str(tmp_path / "x")]
    )
    assert done.exit_code == 2 and "none.json is no file: give what a verb printed with --json" in done.output
    assert not (tmp_path / "x").exists()
    done = CliRunner().invoke(app, ["eval", "report", "--section", "rankings"])
    assert done.exit_code == 2 and "unknown section 'rankings': use one of ranking, reward" in done.output


def reward_json() -> dict[str, Any]:
    figures = {"auc": 0.7, "ece": None, "ci": {"auc": [0.6, 0.8], "ece": [None, None]}}
    steps = {"click_rate": 0.5, "mean_rating": 3.5, "belief": 0.6, "gap": 0.1}
    step = {"n": 1, "kl": 0.0, **steps, "ci": {name: [value - 0.1, value + 0.1] for name, value in steps.items()}}
    bins = [{"predicted": 0.2, "observed": 0.1, "pairs": 40}, {"predicted": float("nan"), "observed": None, "pairs": 0}]
    slices = [
        {
            "slice": "genre",
            "group": "War",
            "pairs": 60,
            "users": 9,
            "auc_within_user": 0.6,
            "ci": {"auc_within_user": [0.5, 0.7]},
        },
        {"slice": "genre", "group": "Noir", "pairs": 2, "users": 1, "note": "under 50 pairs"},
    ]
    row = {
        "probabilities": "own",
        "notes": ["a note"],
        **figures,
        "reliability": bins,
        "best_of_n": [step],
        "slices": slices,
    }
    paired = {"first": "one", "second": "two", "auc": {"mean": 0.1, "ci": [0.05, 0.15], "p": 0.01}, "best_of_n": []}
    rows = [{"model": name, **row} for name in ("one", "two")]
    counts = {"data": "ml-100k", "pairs": 100, "slates": 10, "users": 9, "missing": {"one": 3, "two": 0}}
    return {**counts, "rows": rows, "paired": paired}


def test_every_document_has_its_section(tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = SelfCheck(
        (Coverage("one item a slate", "ips", 1000, 0.5, 0.51, 0.949, 0.0, True),),
        (Alarm("a greedy log", 1000, 1.0, "nothing was drawn", True),),
    )
    rng = np.random.default_rng(0)
    lines = [
        {"slate": [item], "propensities": [0.5], "rewards": [int(rng.random() < 0.4)], "target_propensities": [share]}
        for item, share in (("1", 0.6), ("2", 0.4)) * 100
    ]
    logged = printed(tmp_path, "log.jsonl", "\n".join(json.dumps(line) for line in lines))
    told = run_verb(("eval", "off-policy", str(logged), "--target", "columns"))
    speed = {
        "command": "sft", "sample": "row", "steps": 8, "seconds_a_step": 1.0, "samples_per_second": 9.0,
        "seconds_preparing": 2.0, "wall_seconds": 10.0, "whole_run_seconds": 600.0, "samples_per_second_ratio": 1.0,
    }  # fmt: skip
    documents = {
        "reward": reward_json(),
        "check": {"seed": 0, **json.loads(json.dumps(check.to_json()))},
        "log": told,
        "speed": {
            "data": "ml-100k",
            "machine": {"device": "cpu", "name": "2 cores", "dtype": "float32"},
            "rows": [speed],
        },
    }
    files = [from_file(printed(tmp_path, f"{name}.json", value)) for name, value in documents.items()]
    page, markdown, _ = write(build(ReportRun(), files=files), tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert "+0.1000 [+0.0500, +0.1500]" in text and "94.9%" in text and "nothing was drawn" in text
    assert "one: 3 pairs without a score were left out for all" in text
    assert "200 rows in 200 clusters" in text
    assert "A sample of sft is one row." in text
    assert markdown.read_text(encoding="utf-8").count("\n## ") == 4  # three sections and the manifest
    for source in files:
        show_document(source.kind, source.value)
    shown = " ".join(capsys.readouterr().out.split())
    assert "94.9%" in shown and "nothing was drawn" in shown and "A sample of sft is one row." in shown


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_moves_in_a_browser_without_a_network(chrome: Browser, files: Path, width: int, scheme: Any) -> None:
    context = chrome.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto((files / "report.html").as_uri())
    plot = page.locator("#ranking-rated-slate-ml-100k-slates-of-items-with-known-ratings ~ figure.plot").first
    plot.scroll_into_view_if_needed()
    plot.locator(".drawn svg").wait_for()
    assert not plot.locator(".still").is_visible()
    before = plot.locator(".drawn svg").inner_html()
    plot.locator("select").select_option("stars")
    page.wait_for_function(
        "([svg, before]) => svg.innerHTML !== before", arg=[plot.locator(".drawn svg").element_handle(), before]
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    table = page.locator("#ranking-rated-slate-ml-100k-slates-of-items-with-known-ratings ~ figure.table").first
    table.get_by_role("button", name="click rate", exact=True).click()
    cells = table.locator("tbody tr td:nth-child(2)")
    column = cells.evaluate_all("cells => cells.map(cell => Number(cell.dataset.value))")
    assert column == sorted(column, reverse=True) and len(column) > 3
    page.emulate_media(media="print")
    assert plot.locator(".still").is_visible() and not plot.locator(".drawn").is_visible()
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_words_become_anchors() -> None:
    assert slug("Policy: click rates (n = 12)") == "policy-click-rates-n-12"
