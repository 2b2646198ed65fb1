"""Dialogues: rows are read strictly, films matched by title and year, ranks and recall counted as defined."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from agent.catalogue.catalogue import Catalogue
from agent.data.dataset import load_dataset
from agent.data.interactions import indexed_ratings
from agent.data.rows import RowError
from agent.dialogue.state import policy_state
from agent.features.conversation_features import FEATURES, ConversationFeatures, Dialogue, Rated
from agent.policy.conversational_policy import NAMES, columns, dialogue_of
from agent.policy.conversational_ranker import (
    LEARNT,
    SHIPPED,
    ConversationalRanker,
    LearntCounts,
    RankerError,
    ranker_for,
)
from agent.policy.item_embeddings import item_keys
from agent.policy.semantic import SemanticSimilarity
from agent.records.conditions import Condition
from agent.records.conversation import Conversation
from agent.records.state import State
from eval.conversation.redial import HeardRow, rank_targets, result
from eval.conversation.redial_rows import DialogueRow, Titles, dialogue_rows, plain_title
from training.conversational_ranker.recipe import Choice, fit_weights, past_of
from ui.cli.main import app

if TYPE_CHECKING:
    from agent.data.dataset import Dataset
    from agent.dialogue.state import policy_state
from agent.recommender import Recommender

ROW = {
    "dialog_id": "7",
    "turn_id": 2,
    "context": ["", "Hi! What do you like?", "I loved Alien (1979)"],
    "entity": ["Alien (1979)"],
    "rec": ["Aliens (1986)", "Alien (1979)", "Aliens (1986)"],
}


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


def _file(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_a_row_has_targets_messages_and_a_half(tmp_path: Path) -> None:
    row = dialogue_rows(_file(tmp_path, ROW, "", ROW | {"extra": 1}))[0]
    assert row.targets == ("Aliens (1986)",), "each film once, none that was mentioned"
    assert row.messages == [
        {"role": "assistant", "content": "Hi! What do you like?"},
        {"role": "user", "content": "I loved Alien (1979)"},
    ]
    assert row.half == DialogueRow("7", 9, (), (), ()).half, "all turns of a dialogue are in one half"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", r"rows\.jsonl, line 2: not JSON"),
        ("[1]", r"line 2: a line must hold one JSON object"),
        ({k: v for k, v in ROW.items() if k != "rec"}, r"line 2: field 'rec' is missing"),
        (ROW | {"turn_id": "two"}, r"line 2: field 'turn_id': .*, not 'two'"),
        (ROW | {"context": ["a", None]}, r"line 2: field 'context\[1\]': .*, not None"),
        (ROW | {"entity": "Alien"}, r"line 2: field 'entity': .*, not 'Alien'"),
    ],
)
def test_a_malformed_row_is_named_by_line_and_field(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(RowError, match=message):
        dialogue_rows(_file(tmp_path, ROW, row))


def test_no_rows_and_no_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="holds no rows"):
        dialogue_rows(_file(tmp_path, ""))
    with pytest.raises(RowError, match="cannot be read"):
        dialogue_rows(tmp_path / "none.jsonl")


def test_titles_are_matched_whatever_the_article_case_and_punctuation(catalogue: Catalogue) -> None:
    titles = Titles(catalogue)
    found = titles.find("The Shining (1980)")
    assert found is not None and catalogue[found].name == "The Shining (1980)"
    assert titles.find("Shining, The (1980)") == titles.find("shining (1980)") == found
    assert titles.find("The Shining (1981)") == found, "release dates differ by country"
    assert titles.find("The Shining (1983)") is None and titles.find("It and The Shining (1980)") is None
    kong = titles.find("The Empire Strikes Back")
    assert kong is not None and catalogue[kong].year == 1980, "without a year: what the chat takes the name for"
    assert titles.find("Frozen (2013)") is None
    longer = titles.find("Star Trek (1982)")
    assert longer is not None and catalogue[longer].name == "Star Trek: The Wrath of Khan (1982)", (
        "the subtitle is left out"
    )
    assert plain_title("WALL·E & Amélie's") == "wall e and amelies"
    assert plain_title("The The") == "the"


def test_ranks_leave_named_films_out_and_count_the_unknown_as_misses() -> None:
    row = DialogueRow("1", 1, ("hi",), (), ("a", "b", "c"))
    dialogue = Dialogue((3,), (1.0,), np.zeros(2), np.zeros(2))
    heard = HeardRow(row, State(), dialogue, frozenset({3}), (2, None, 3))
    ranks = rank_targets(np.array([0.1, 0.5, 0.3, 9.0, 0.3]), heard)
    assert ranks.tolist() == [1.5, np.inf, np.inf], "one before, one tie; not in the catalogue; was named"
    own = result("x", ranks, [heard])
    assert own.targets == 3 and own.known == 2 and own.dialogues == 1
    assert own.to_json()["recall@5"] == pytest.approx(1 / 3)
    assert own.recall[1].mean == 0.0


def test_talk_features_see_who_watched_both_and_what_was_asked(catalogue: Catalogue) -> None:
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(len(catalogue), 8)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    users, items = np.array([0, 0, 1, 1, 2]), np.array([5, 9, 5, 9, 7])
    rated = Rated(users, items, np.full(5, 5.0), np.arange(5.0))
    evidence = ConversationFeatures(catalogue, rated, texts)
    old = Condition("year", "at_most", 1960)
    dialogue = Dialogue((5,), (1.0,), texts[20], texts[21], ("Comedy",), ("Horror",), (old,))
    columns = dict(zip(FEATURES, evidence.features(dialogue), strict=True))
    assert columns["watched_max"][9] > columns["watched_max"][7] == 0.0
    assert columns["text_last"].argmax() == 5 and columns["said"].argmax() == 20 and columns["said_last"].argmax() == 21
    comedies = catalogue.category_matrix[:, catalogue.category_names.index("Comedy")]
    assert (columns["asked_category"] > 0).tolist() == comedies.tolist()
    assert (columns["met"] > 0).tolist() == catalogue.meets(old).tolist()
    silent = evidence.features(Dialogue((), (), texts[20], texts[21]))
    assert np.isfinite(silent).all() and not silent[FEATURES.index("watched_sum")].any()


def test_a_dialogue_is_taken_off_what_was_counted(catalogue: Catalogue) -> None:
    dialogues = [(frozenset({1, 2}), frozenset({2})), (frozenset({1, 3}), frozenset({3}))]
    past = past_of(dialogues, catalogue)
    assert past.mentioned[item_keys(catalogue.items)[1]] == 2
    counts = LearntCounts(past, catalogue)
    dialogue = Dialogue((1,), (1.0,), np.zeros(2), np.zeros(2))
    fresh = dict(zip(LEARNT, counts.features(dialogue), strict=True))
    own = dict(zip(LEARNT, counts.features(dialogue, *dialogues[0]), strict=True))
    assert fresh["mentioned_with"][2] > 0 == own["mentioned_with"][2]
    assert own["mentioned_with"][3] > 0
    without = dict(
        zip(LEARNT, LearntCounts(past_of(dialogues[1:], catalogue), catalogue).features(dialogue), strict=True)
    )
    for name in LEARNT:
        np.testing.assert_allclose(own[name], without[name], rtol=1e-6)


def test_the_conditional_logit_finds_the_weights_that_choices_were_made_with() -> None:
    rng = np.random.default_rng(1)
    truth = np.array([1.5, -0.7, 0.0])
    choices = []
    for _ in range(1500):
        features = rng.normal(size=(3, 12))
        place = int(np.argmax(truth @ features + rng.gumbel(size=12)))
        choices.append(Choice(features.astype(np.float16), place, np.zeros(12, dtype=np.float32)))
    np.testing.assert_allclose(fit_weights(choices, ("after_1980", "after_2000", "count"), 0.0), truth, atol=0.12)
    # What can only speak for an item never speaks against it; the share of likes counts as it is.
    bounded = fit_weights(choices, ("after_1980", "liked_max", "like_rate"), 0.0)
    assert bounded[1] == 0 and bounded[2] == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(ValueError, match="no choices"):
        fit_weights([], ("count",))


def test_a_few_raters_in_common_make_no_twins(catalogue: Catalogue) -> None:
    pairs = [(user, 0) for user in range(30)] + [(user, 1) for user in range(30)] + [(0, 2), (1, 2)]
    users, items = np.array(pairs).T
    rated = Rated(users, items, np.full(len(users), 5.0), np.zeros(len(users)))
    features = ConversationFeatures(catalogue, rated, np.eye(len(catalogue), 4, dtype=np.float32))
    nothing = np.zeros(4, dtype=np.float32)
    alike = features.features(Dialogue((0,), (1.0,), nothing, nothing))[FEATURES.index("watched_max")]
    assert alike[1] > 2 * alike[2] > 0


def test_the_shipped_ranker_was_made_of_ratings_alone_and_unknown_features_are_told(tmp_path: Path) -> None:
    ranker = ConversationalRanker.load(SHIPPED)
    assert not ranker.past.mentioned and "no dialogue was read" in ranker.about
    assert (
        ranker.weights["categories_sum"] > 0 and ranker.weights["watched_sum"] > 0 and ranker.weights["said_last"] > 0
    )
    ranker.save(tmp_path)
    assert ConversationalRanker.load(tmp_path) == ranker
    ConversationalRanker({"nonsense": 1.0}).save(tmp_path)
    with pytest.raises(RankerError, match="'nonsense'"):
        ConversationalRanker.load(tmp_path)
    with pytest.raises(RankerError, match="no ranker"):
        ConversationalRanker.load(tmp_path / "nowhere")


def test_the_default_catalogue_is_ranked_by_what_dialogues_taught_and_others_by_ratings(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    films = Catalogue(load_dataset("films"))
    ranker = ranker_for(films)
    assert ranker.past.mentioned and ranker.past.together
    named = np.array(list(ranker.past.mentioned.values()))
    assert named.min() > 0 and not any(" " in key for key in ranker.past.mentioned), "numbers and keys, no words"
    ranker.save(tmp_path)
    assert ConversationalRanker.load(tmp_path) == ranker
    assert not ranker_for(catalogue).past.mentioned, "a catalogue without most of those items"


def test_the_chat_ranks_as_the_evaluation_does_and_only_where_there_is_no_past(recommender: Recommender) -> None:
    policy, catalogue = recommender.policy.without_lm(), recommender.catalogue
    messages = [{"role": "user", "content": "I loved Alien (1979), any other scary space movie?"}]
    state = policy_state(recommender.state(recommender.continued(messages)), ())
    assert state.spoken is not None and state.spoken.last.startswith("I loved Alien")
    assert [(catalogue[item].title, weight) for item, weight in state.spoken.named] == [("Alien", 1.0)]
    ranker, semantic = ConversationalRanker.load(SHIPPED), recommender.policy.semantic
    assert isinstance(semantic, SemanticSimilarity)
    said, last = semantic.encode([state.spoken.said, state.spoken.last])
    dialogue = dialogue_of(state, said, last)
    evidence = ConversationFeatures(catalogue, Rated.of(indexed_ratings(load_dataset("ml-100k"))), semantic.items)
    alone = policy.without_conversational().scores([state])[0][0]
    learnt = LearntCounts(ranker.past, catalogue).features(dialogue)
    expected = ranker.vector(NAMES) @ columns(
        dialogue, evidence.features(dialogue), learnt, alone, np.zeros_like(alone)
    )
    own, lm = policy.scores([state])
    served = own[0] + lm[0]
    assert np.allclose(served - served.mean(), expected - expected.mean(), atol=1e-3)
    assert not np.allclose(served - served.mean(), alone - alone.mean(), atol=1e-2)
    known = recommender.users()[0]
    past = replace(state, history=(*recommender.history(known), *state.history), spoken=None)
    assert np.array_equal(policy.scores([past])[0], policy.without_conversational().scores([past])[0])
    less = state.without_items({state.spoken.named[0][0]})
    assert less.spoken == replace(state.spoken, named=()) and not less.history
    assert state.without_words().spoken == replace(state.spoken, said="", last="")


def test_what_is_named_and_said_follows_the_conversation(recommender: Recommender) -> None:
    conversation = Conversation()

    def named() -> dict[str, float]:
        state = recommender.state(conversation)
        return {recommender.catalogue[item].title: weight for item, weight in state.named.items()}

    def said() -> tuple[str, ...]:
        return recommender.state(conversation).texts

    recommender.reply(conversation, "I loved Alien and hated Batman")
    assert named() == {"Alien": 1.0, "Batman": -0.3} and len(said()) == 1
    recommender.reply(conversation, "what is Fargo about?")
    assert "Fargo" not in named() and len(said()) == 1, "a question tells nothing of taste"
    first = next(iter(recommender.state(conversation).named))
    recommender.react(conversation, recommender.catalogue[first].item_id, "removed")
    assert named() == {"Batman": -0.3}
    recommender.reply(conversation, "a comedy please")
    assert Conversation.from_json(conversation.to_json()) == conversation
    recommender.undo(conversation)
    assert said() == ("I loved Alien and hated Batman",)
    recommender.reply(conversation, "start over")
    assert not named() and not said()


def test_the_verb_foretells_films_through_the_real_turn(tmp_path: Path, recommender: Recommender) -> None:
    rows = [
        ROW | {"dialog_id": str(number), "context": ["Hi", "Hello!", text], "entity": [], "rec": [film]}
        for number, (text, film) in enumerate(
            [("I loved Alien (1979), something like that please", "Aliens (1986)"), ("A film", "Frozen (2013)")]
        )
    ]
    arguments = ["eval", "dialogue", "--file", str(_file(tmp_path, *rows)), "--no-lm", "--json"]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    document = json.loads(run.stdout)
    assert document["targets"] == 2 and document["known"] == 1 and document["dialogues"] == 2
    assert document["recall@10"] == document["recall@50"] == 0.5, "Aliens is found, Frozen is not in the catalogue"
    assert document["rows"][0]["name"] == document["name"] == "concierge"
    assert {"recall@1", "recall@5", "recall@20", "recall@1_ci"} <= set(document)


def test_the_verb_names_what_is_wrong(tmp_path: Path) -> None:
    bad, good = _file(tmp_path, ROW, ROW | {"rec": 3}), tmp_path / "good.jsonl"
    good.write_text(json.dumps(ROW), encoding="utf-8")
    for arguments, message in (
        ([], "give either --file with dialogues or --simulate"),
        (["--file", str(bad)], "line 2: field 'rec': "),
        (["--file", str(bad), "--before-ppo", "--no-lm"], "--before-ppo is about the language model"),
        (["--file", str(good), "--dataset", "nowhere"], "concierge data import PATH --name nowhere"),
    ):
        run = CliRunner().invoke(app, ["eval", "dialogue", *arguments])
        assert run.exit_code == 2 and message in run.output.replace("\n", " "), run.output
