"""Cleaning: every row left out is counted by rule and shown, at import and before training."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from agent.data.dataset import Dataset, import_dataset
from agent.data.interactions import indexed_ratings
from training.rows.cleaning import CleaningReport, Finding, clean_ratings
from training.rows.datasets import RowMaker, RowSettings
from ui.cli.main import app


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), prog_name="concierge")
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 else result.stderr


def rules(report: CleaningReport) -> dict[str, Finding]:
    return {finding.rule: finding for finding in report.findings}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def dirty(cache: Path) -> Path:
    """A set with one fault, or a few, of every rule."""
    folder = cache / "dirty"
    folder.mkdir()
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n1,Alien (1979),Horror\n2,Up (2009),Comedy\n2,Up again (2009),Comedy\n3,,Drama\n"
    )
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n"
        "1,1,4.0,100\n1,2,3.0,200\n2,1,5.0,100\n"
        "1,1,2.0,50\n"  # rated again later (above)
        "2,2,4.5,100\n2,2,3.5,100\n"  # the last of one time stands
        "3,1,,100\n3,2,four,100\n"  # had it, said nothing; no rating
        "3,77,4.0,100\n"  # no such item
    )
    (folder / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,1,scary,1\n1,77,lost,1\n1,1, ,1\n")
    return folder


def test_an_import_reports_every_rule_with_examples(dirty: Path) -> None:
    card = import_dataset(dirty, "dirty").card
    found = {own.rule: own for own in card.left_out}
    assert {rule: own.rows for rule, own in found.items()} == {
        "malformed": 1,
        "unknown_items": 1,
        "duplicates": 2,
        "malformed_items": 2,
        "lost_tags": 2,
    }
    assert card.rows - card.kept == 4
    for own in card.left_out:
        assert len(own.examples) == min(own.rows, 3), own.rule
    assert "'2.0', '50'" in found["duplicates"].examples[0]
    assert "ratings.csv, about line 5: rated again later" in found["duplicates"].examples[0]
    assert "'Up again'" in found["malformed_items"].examples[0]
    assert "'lost' of item '77'" in found["lost_tags"].examples[0]


def test_the_card_is_kept_with_the_data_set_and_shown(dirty: Path) -> None:
    text = run("data", "import", str(dirty))
    later = run("data", "describe", "dirty")
    for shown in (text, later):
        assert "left out: 1 malformed rows" in shown
        assert "left out: 2 earlier events of an item that the same person had again later" in shown
        assert "left out: 2 tags that are empty or of unknown items" in shown
        assert "5 of 9 events kept" in shown
    facts: dict[str, Any] = json.loads(run("data", "describe", "dirty", "--json"))
    by_rule = {own["rule"]: own for own in facts["card"]["left_out"]}
    assert by_rule["unknown_items"]["rows"] == 1
    assert "'77'" in by_rule["unknown_items"]["examples"][0]


def test_movielens_itself_is_clean(dataset: Dataset) -> None:
    assert dataset.card.left_out == ()
    cleaned, own = clean_ratings(dataset)
    assert own.clean
    pd.testing.assert_frame_equal(cleaned, indexed_ratings(dataset))


def test_ratings_put_together_by_hand_are_cleaned_by_rule(dataset: Dataset) -> None:
    rows: list[tuple[Any, Any, Any, Any]] = [
        ("1", "1", 4.0, 100),
        ("1", "2", 3.0, 100),
        (None, "1", 4.0, 100),
        ("2", "", 4.0, 100),
        ("2", "1", np.nan, 100),
        ("2", "1", 4.0, None),
        ("2", "2", 5.5, 100),
        ("2", "none such", 4.0, 100),
        ("1", "1", 2.0, 100),
        ("1", "1", 5.0, 50),
    ]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    cleaned, report = clean_ratings(dataclasses.replace(dataset, ratings=frame))
    assert cleaned.to_numpy().tolist() == [["1", 1, 3.0, 100], ["1", 0, 2.0, 100]]
    found = {rule: finding.rows for rule, finding in rules(report).items()}
    assert found == {"missing": 4, "out_of_range": 1, "unknown_items": 1, "duplicates": 2}
    assert (report.rows, report.kept) == (10, 2)
    assert rules(report)["out_of_range"].examples == ("row 6: ['2', '2', 5.5, 100.0]",)
    assert len(rules(report)["missing"].examples) == 3
    assert report.lines()[0] == "  left out: 4 rows without a user, an item, a rating or a time"


def test_data_that_cannot_be_used_at_all_is_refused(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="no usable rating in 'ml-100k'"):
        clean_ratings(dataclasses.replace(dataset, ratings=dataset.ratings.assign(rating=np.nan)))
    with pytest.raises(ValueError, match="no column 'timestamp'"):
        clean_ratings(dataclasses.replace(dataset, ratings=dataset.ratings.drop(columns="timestamp")))


def test_rows_are_made_from_what_cleaning_leaves(dataset: Dataset) -> None:
    rows = dataset.ratings[dataset.ratings["user"].isin(["1", "2", "3"])]
    bad = rows.head(5).assign(rating=7.0, item=rows["item"].tail(5).to_numpy(), user="1")
    mixed = dataclasses.replace(dataset, ratings=pd.concat([rows, bad], ignore_index=True))
    maker = RowMaker(mixed, "prompts", RowSettings())
    assert rules(maker.cleaning)["out_of_range"].rows == 5
    stars = [star for row in maker.rows("train") for star in row["stars"]]
    assert stars
    assert max(stars) <= 5.0


def test_the_verb_prints_splits_and_the_first_row(dirty: Path, cache: Path) -> None:
    folder = cache / "many"
    folder.mkdir()
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n" + "".join(f"{item},Film {item} (1990),Drama\n" for item in range(40))
    )
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n"
        + "".join(f"{user},{item},{1 + (user + item) % 5},{item}\n" for user in range(6) for item in range(40))
    )
    run("data", "import", str(folder))
    text = run("data", "rows", "--kind", "prompts", "--data", "many", "--output", str(cache / "rows"))
    for part in ("prompts: ", "train ", "later ", "new_users ", "240 of 240 ratings used", "slate: <item_", "user: "):
        assert part in text
    assert sorted(path.name for path in (cache / "rows").iterdir()) == [
        "later.parquet",
        "new_users.parquet",
        "train.parquet",
    ]
    facts = json.loads(run("data", "rows", "--kind", "preferences", "--data", "many", "--json"))
    assert facts["splits"]["new_users"]["users"] == 1
    assert facts["splits"]["train"]["rows"] > 0
    assert facts["example"]["chosen"] != facts["example"]["rejected"]
    assert "unknown kind of rows 'dpo'" in run("data", "rows", "--kind", "dpo", "--data", "many", status=2)
