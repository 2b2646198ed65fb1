"""Taggers: rows from tables and from words, calibration, thresholds, and what is saved reads as what was trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from agent.catalogue.catalogue import Catalogue
from agent.catalogue.conditions import noun_phrase
from agent.data.archive import DatasetError
from agent.data.assets import MINILM, SMOLLM2, cache_dir, fetch
from agent.data.dataset import import_dataset, load_dataset
from agent.data.importers.tables import Options
from agent.data.text_quality import audit, language_of
from agent.dialogue.questions import is_words
from agent.domains.domain import Facet, load_domain
from agent.explanation.reasons import flaws, reason
from agent.policy.enrichment import enrich
from agent.policy.tagger import CARD_FILE, Tagger, TaggerCard, TaggerError, calibrated, decided
from agent.records.answer import Evidence
from agent.records.conditions import Condition
from agent.retrieval.text_encoder import encoder_path
from eval.tagging import tagging_table
from tests.left_out import left_out
from tests.own_cache import own_cache
from tests.wire import letters
from training.tagger.recipe import finished, thresholds, train_tagger
from training.tagger.rows import LabelledTexts, by_words, from_dataset, labelled, read_columns, split
from training.tagger.trainer import TaggerSettings

UP = ["Profit rose", "Sales grew strongly", "A record gain in orders", "Earnings improved", "The firm won a contract"]
DOWN = ["Profit fell", "Sales shrank badly", "A heavy loss in orders", "Earnings worsened", "The firm lost a contract"]


@pytest.fixture(scope="module")
def rows() -> LabelledTexts:
    fetch([MINILM], progress=False)
    texts = [f"{text} {end}" for end in ("in May", "in June", "last year", "again today") for text in UP + DOWN]
    return labelled(texts, [label for _ in range(4) for label in ["positive"] * 5 + ["negative"] * 5], fewest=5)


def test_rows_leave_out_what_teaches_nothing() -> None:
    texts = ["a", "a", "b", "b", "", "c", "d", "e  f", "e f"]
    labels = ["x", "x", "x", "y", "x", "", "y", "y", "y"]
    rows = labelled(texts, labels, fewest=1)
    assert dict(zip(rows.texts, rows.labels, strict=True)) == {"a": ("x",), "d": ("y",), "e f": ("y",)}
    assert rows.left_out["repeated with another label"] == 1
    assert rows.left_out["without text"] == rows.left_out["without label"] == 1


def test_several_labels_come_from_one_cell_and_none_is_an_answer_too() -> None:
    rows = labelled(["a", "b", "c"], ["x|y", "", "y"], multi=True, fewest=1)
    assert rows.labels == (("x", "y"), (), ("y",))
    assert rows.matrix().tolist() == [[1, 1], [0, 0], [0, 1]]


def test_one_label_alone_is_refused() -> None:
    with pytest.raises(TaggerError, match="at least two labels"):
        labelled(["a", "b"], ["x", "x"], fewest=1)


def test_words_of_a_domain_are_weak_labels() -> None:
    facet = Facet(name="topic", words={"oil": ("oil", "opec"), "cars": ("cars?",)})
    rows = by_words(["Oil prices fall", "New cars burn less oil", "Scars remain", "A car show"], facet, fewest=1)
    assert rows.labels == (("oil",), ("oil", "cars"), ("cars",))
    assert rows.left_out["without any of the words"] == 1


def test_the_split_holds_out_rows_of_every_label() -> None:
    rows = labelled([str(n) for n in range(40)], ["x"] * 30 + ["y"] * 10)
    train, valid = split(rows, 0.2, seed=1)
    assert sorted([*train, *valid]) == list(range(40))
    assert sum(valid < 30) == 6 and sum(valid >= 30) == 2
    assert np.array_equal(split(rows, 0.2, seed=1)[1], valid)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl"])
def test_rows_are_read_from_any_table(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"text": ["one", "NA", None], "tone": ["x", "y", "x"]})
    path = tmp_path / f"rows.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    assert read_columns(path, "text", "tone") == [["one", "NA", ""], ["x", "y", "x"]]
    with pytest.raises(TaggerError, match="no column 'label': it has text, tone"):
        read_columns(path, "label")


def test_the_temperature_undoes_overconfidence() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 3))
    truth = np.array([generator.multinomial(1, own) for own in calibrated(logits, 1.0, False)], dtype=np.float32)
    card, figures = finished(TaggerCard("t", ("a", "b", "c"), False), 3 * logits, truth, sure=0.8)
    assert card.temperature == pytest.approx(3.0, rel=0.1)
    assert figures["decided"] >= 0.79 > figures["accuracy"]


def test_below_the_threshold_the_tagger_is_unsure() -> None:
    card = TaggerCard("t", ("a", "b"), False, thresholds=(0.9, 0.6))
    assert decided(np.array([[0.95, 0.05], [0.8, 0.2], [0.35, 0.65]]), card) == [("a",), (), ("b",)]
    several = replace(card, multi=True)
    assert decided(np.array([[0.95, 0.7], [0.8, 0.2]]), several) == [("a", "b"), ()]


def test_thresholds_keep_the_wanted_share_of_right_answers() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]])
    truth = np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float32)
    assert thresholds(probabilities, truth, False, 0.95)[0] == 0.8
    assert thresholds(probabilities, truth, False, 0.75)[0] == 0.6


def test_a_linear_tagger_is_read_back_as_it_was_trained(rows: LabelledTexts, tmp_path: Path) -> None:
    result = train_tagger(rows, tmp_path, version="tone", tuning=False)
    tagger = Tagger.load(result.folder)
    again = tagger.probabilities(["Orders rose", "Orders fell"])
    assert np.allclose(again, result.tagger.probabilities(["Orders rose", "Orders fell"]), atol=1e-6)
    assert again[0, 1] > 0.5 > again[1, 1]
    assert np.allclose(again.sum(axis=1), 1)
    assert tagger.card.labels == ("negative", "positive")
    assert result.figures["chosen"] == "linear"


@pytest.mark.parametrize("rank", [0, 4])
def test_a_tuned_tagger_is_read_back_as_it_was_trained(
    rows: LabelledTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    # On texts as simple as these a linear head could not be beaten: it starts from nothing.
    monkeypatch.setattr("training.tagger.recipe.fit_head", lambda *args: (np.zeros((2, 384)), np.zeros(2)))
    settings = TaggerSettings(rank=rank, rate=2e-3 if rank else 5e-4, epochs=2, batch=8, valid_share=0.2)
    result = train_tagger(rows, tmp_path, settings)
    assert result.figures["chosen"] == "tuned"
    tagger = Tagger.load(result.folder)
    texts = ["Orders rose", "Orders fell", ""]
    assert np.allclose(tagger.probabilities(texts), result.tagger.probabilities(texts), atol=2e-3)
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_stopped_goes_on(rows: LabelledTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TaggerSettings(epochs=3, batch=8, checkpoints=3, valid_share=0.2)
    whole = train_tagger(rows, tmp_path / "whole", settings)

    def stop(what: str, done: int, of: int) -> None:
        if what == "training" and done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_tagger(rows, tmp_path / "stopped", settings, report=stop)
    assert list((tmp_path / "stopped" / "run").glob("checkpoint-*"))
    resumed = train_tagger(rows, tmp_path / "stopped", settings, resume=True)
    texts = list(rows.texts[:6])
    assert np.allclose(resumed.tagger.probabilities(texts), whole.tagger.probabilities(texts), atol=1e-4)


def test_a_folder_that_is_no_tagger_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaggerError, match="concierge train tagger"):
        Tagger.load(tmp_path)
    (tmp_path / CARD_FILE).write_text('{"version": "t", "labels": [], "thresholds": [], "colour": 1}')
    with pytest.raises(TaggerError, match="colour"):
        Tagger.load(tmp_path)


def test_the_verb_trains_on_a_file(rows: LabelledTexts, tmp_path: Path) -> None:
    from ui.cli.main import app

    frame = pd.DataFrame({"headline": rows.texts, "tone": [own[0] for own in rows.labels]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    line = [
        "train",
        "tagger",
        "--rows",
        str(tmp_path / "rows.csv"),
        "--text",
        "headline",
        "--label",
        "tone",
        "--linear",
    ]
    outcome = CliRunner().invoke(app, [*line, "--output", str(tmp_path / "run"), "--json"])
    assert outcome.exit_code == 0, outcome.output
    assert Tagger.load(Path(json.loads(outcome.stdout)["tagger"])).card.version == "run"


@pytest.fixture
def articles(rows: LabelledTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of articles and a cache of its own, in which the encoder is the user's."""
    models = cache_dir() / "models"
    encoder_path()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").symlink_to(models)
    (tmp_path / "cache" / "assets").symlink_to(cache_dir() / "assets")
    monkeypatch.setenv("CONCIERGE_CACHE", str(tmp_path / "cache"))
    lines = [(f"a{n}", f"2020-01-{1 + n % 28:02}", text, "wire") for n, text in enumerate(rows.texts[:30])]
    lines += [
        ("b1", "", "Profit rose in spring", "wire"),
        ("b2", "2020-02-01", "Die Bank ist nicht mit von der Partie", "x"),
    ]
    frame = pd.DataFrame(lines, columns=["id", "date", "headline", "source"])
    frame.to_csv(tmp_path / "articles.csv", index=False)
    return tmp_path / "articles.csv"


def test_a_data_set_is_enriched_and_only_new_texts_are_read(rows: LabelledTexts, articles: Path) -> None:
    tagger = train_tagger(rows, articles.parent / "run", version="tone-1", tuning=False).folder
    import_dataset(articles, "wire", options=Options(domain="news"))
    first = enrich("wire", "tone", tagger, today=30_000.0)
    assert (first.read, first.known) == (30, 0)
    assert first.audit.counts == {"undated": 1, "other language": 1}
    dataset = load_dataset("wire")
    assert dataset.facets["tone"].predicted and dataset.card.facets["tone"].predicted == "tone-1"
    assert left_out(dataset.card, "tone: undated") == 1
    tones = dict(zip(dataset.items["item"], dataset.names("tone"), strict=True))
    assert tones["b1"] == tones["b2"] == []
    assert {tone for own in tones.values() for tone in own} == {"negative", "positive"}
    assert np.isnan(dataset.items["tone_probability"]).sum() == 2

    frame = pd.read_csv(articles)
    frame.loc[0, "headline"] = "Orders fell sharply"
    pd.concat([frame, frame.tail(1).assign(id="c", headline="Sales rose again")]).to_csv(articles, index=False)
    import_dataset(articles, "wire", replace=True, options=Options(domain="news"))
    second = enrich("wire", "tone", tagger, today=30_000.0)
    assert (second.read, second.known) == (2, 29)
    assert enrich("wire", "tone", tagger, today=30_000.0).read == 0


def test_what_a_tagger_read_is_said_to_sound_so(rows: LabelledTexts, articles: Path) -> None:
    tagger = train_tagger(rows, articles.parent / "run", tuning=False).folder
    import_dataset(articles, "wire", options=Options(domain="news"))
    enrich("wire", "tone", tagger, today=30_000.0)
    catalogue = Catalogue(load_dataset("wire"))
    wish = (Condition("tone", "is", ("positive",)),)
    item = int(np.flatnonzero(catalogue.mask(wish))[0])
    assert noun_phrase(wish, catalogue) == "articles that sound positive"
    assert is_words(item, catalogue.facets["tone"], catalogue) == "sounds positive"
    fact = Evidence("condition", 1.0, facet="tone", value="positive")
    said = reason(catalogue[item], [fact], catalogue)
    assert "that sounds positive" in said and not flaws(said, catalogue[item], [fact], catalogue)


def test_what_the_data_give_is_not_overwritten(rows: LabelledTexts, articles: Path) -> None:
    tagger = train_tagger(rows, articles.parent / "run", tuning=False).folder
    import_dataset(articles, "wire", options=Options(domain="news"))
    with pytest.raises(DatasetError, match="choose another --facet"):
        enrich("wire", "source", tagger)
    with pytest.raises(TaggerError, match="no text 'body': give --text title"):
        enrich("wire", "tone", tagger, text="body")


def test_dates_are_days_that_conditions_can_bound(articles: Path) -> None:
    dataset = import_dataset(articles, "wire", options=Options(domain="news"))
    days = dataset.numbers("date")
    assert days[0] == 18_262 and np.isnan(days).sum() == 1
    mask = Catalogue(dataset).mask((Condition("date", "at_least", 18_270.0),))
    assert mask.sum() == (days >= 18_270).sum()


def test_methods_are_compared_on_the_same_held_out_rows(rows: LabelledTexts, tmp_path: Path) -> None:
    found = tagging_table(rows, ["linear", "ngrams"], tmp_path, of=3, folds=range(3))
    assert [row.method for row in found] == ["linear", "ngrams"]
    for row in found:
        assert row.texts == len(rows)
        accuracy = row.figures["accuracy"]
        assert accuracy.low <= accuracy.mean <= accuracy.high
        assert accuracy.mean > 0.8
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert tagging_table(rows, ["linear"], tmp_path, of=3, folds=range(3))[0] == found[0]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")} == kept
    with pytest.raises(TaggerError, match="unknown method 'magic'"):
        tagging_table(rows, ["magic"], tmp_path)


def test_weak_labels_of_a_data_set_are_ranked_and_compared(rows: LabelledTexts, tmp_path: Path) -> None:
    texts = [
        f"{one} and {other}" for one in rows.texts[:20] for other in ("A dog ran", "A boat sank", "A tale of love")
    ]
    tags = ["Dog|animal", "boat", ""] * 20
    frame = pd.DataFrame(
        {"id": range(60), "name": [f"Film {letters(n)}" for n in range(60)], "plot": texts, "tags": tags}
    )
    frame.to_csv(tmp_path / "films.csv", index=False)
    own_cache(tmp_path / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCIERGE_CACHE", str(tmp_path / "cache"))
        dataset = import_dataset(tmp_path / "films.csv", "tagged", options=Options(domain="films"))
        known = from_dataset(dataset, "description", ["tag"])
    assert known.names == ("animal", "boat", "dog") and known.left_out["unlabelled"] == 20
    found = tagging_table(known, ["similarity", "linear"], tmp_path, of=4, folds=[0])
    assert [row.method for row in found] == ["similarity", "linear"]
    assert found[1].figures["average precision"].mean > 0.9
    with pytest.raises(TaggerError, match="no facet 'mood'"):
        from_dataset(dataset, "description", ["mood"])


def test_words_of_emotion_give_the_three_tones(tmp_path: Path) -> None:
    pytest.importorskip("vaderSentiment")
    texts = [f"{text} {n}" for n in range(5) for text in ("A wonderful success", "The table", "A terrible disaster")]
    rows = labelled(texts, ["positive", "neutral", "negative"] * 5, fewest=3)
    assert tagging_table(rows, ["words"], tmp_path)[0].figures["accuracy"].mean == 1.0


@pytest.mark.slow
def test_the_language_model_is_compared_as_it_comes_and_tuned(rows: LabelledTexts, tmp_path: Path) -> None:
    fetch([SMOLLM2], progress=False)
    found = tagging_table(rows, ["lm-untuned", "lm-2"], tmp_path, of=4, folds=[0])
    assert [row.texts for row in found] == [10, 10]


def test_bad_texts_are_counted_by_reason() -> None:
    texts = ["Shares fall", "", "Shares  FALL", "Die Aktien der Bank fallen auf ein Tief", "Profit up", "Profit down"]
    days = np.array([1.0, 1, 1, 1, np.nan, 9])
    found = audit(texts, days, today=5.0)
    assert found.reasons == ("", "empty", "duplicate", "other language", "undated", "future-dated")
    assert found.counts == {"empty": 1, "undated": 1, "future-dated": 1, "duplicate": 1, "other language": 1}
    assert found.good.tolist() == [True, False, False, False, False, False]
    assert found.examples["undated"] == ("Profit up",)


def test_texts_of_one_form_are_taken_for_machine_made() -> None:
    made = [f"Shares of Firm{n} closed {n}.5 percent higher at {n}0 dollars" for n in range(12)]
    found = audit([*made, "Shares of Tesla closed 3 percent higher"])
    assert found.counts == {"machine-made": 12}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Les banques et les assureurs sont en baisse", "french"),
        ("El Niño hits crops", "english"),
        ("株価が下落", ""),
        ("Tesla", "english"),
        ("No guns, no drugs, no atrocities: just bananas", "english"),
    ],
)
def test_the_language_of_short_texts(text: str, language: str) -> None:
    assert language_of(text) == language


def test_the_news_domain_lists_words_for_topics() -> None:
    facet = load_domain("news").facets["topic"]
    assert facet.primary and len(facet.words) >= 20
