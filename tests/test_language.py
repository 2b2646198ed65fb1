"""The language adapter's rows, its training, its check, and the reading of messages that the grammar cannot read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import base_model_path, fetch
from agent.data.dataset import Dataset
from agent.generation.fidelity import changes, retellable
from agent.generation.lm_parser import Reading, completed, parse_reading, reading_schema, unread
from agent.generation.local import Asked, Speech
from agent.generation.openai import SpeechError
from agent.generation.paraphrase import Retelling
from agent.generation.service import Language
from agent.policy.item_lm import AdapterError
from agent.records.answer import Answer, Question
from agent.understanding.parser import understand
from eval.conversation.reading import MessagesError, read_expected
from eval.conversation.wording import pattern, wording_figures
from training.language.recipe import train_language
from training.language.release import release_language
from training.language.rewording import vocabulary
from training.language.rows import LanguagePlan, build_language_rows
from training.language.trainer import IGNORED, LanguageCollator, LanguageSettings, encode_language_rows
from ui.cli.main import app

UNREAD = Path(__file__).parent / "unread.yaml"
FOUND = "Here are five comedies from 1990 to 1999, close to “Alien”."


@pytest.fixture(scope="module")
def catalogue(dataset: Dataset) -> Catalogue:
    return Catalogue(dataset)


@pytest.fixture(scope="module")
def folder() -> Path:
    fetch(progress=False)
    return base_model_path(progress=False)


class Upper:
    """A writer without an LM, whose words are the facts in another order or case."""

    def __init__(self, text: str) -> None:
        self.text = text

    def write(self, asked: Sequence[Asked]) -> list[str]:
        return [self.text] * len(asked)


def test_rows_follow_their_seed_and_pass_their_own_check(catalogue: Catalogue) -> None:
    plan = LanguagePlan(rows=400, seed=5)
    rows = build_language_rows(catalogue, plan)
    assert rows == build_language_rows(catalogue, plan)
    wordings = [row for row in rows if row.job == "wording"]
    assert 0.5 < len(wordings) / len(rows) < 0.75
    for row in wordings:
        plain = row.messages[-1]["content"]
        assert retellable(plain) and changes(row.answer, plain, vocabulary()) == []
    assert len({pattern(row.answer) for row in wordings}) > 0.6 * len(wordings)
    for row in rows:
        if row.job == "parsing":
            reading = parse_reading(row.answer, catalogue.category_names)
            assert reading is not None
            message = row.messages[-1]["content"].lower()
            assert all(wish.lower() in message for wish in reading.wishes), row


def test_labels_are_the_answer_alone(catalogue: Catalogue, folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = build_language_rows(catalogue, LanguagePlan(rows=3))
    data = encode_language_rows(rows, tokenizer)
    batch = LanguageCollator(tokenizer.pad_token_id)([data[place] for place in range(3)])
    for row, ids, labels in zip(rows, batch["input_ids"], batch["labels"], strict=True):
        learned = labels != IGNORED
        assert tokenizer.decode(ids[learned]) == row.answer + tokenizer.eos_token
        assert tokenizer.decode(ids[~learned]).startswith("<|im_start|>system\n")


def test_a_short_training_writes_an_adapter_that_speaks(tmp_path: Path, folder: Path, dataset: Dataset) -> None:
    settings = LanguageSettings(tuned_layers=1, lora_rank=2, batch=2, max_steps=1, save_steps=1)
    result = train_language(tmp_path, dataset.name, settings=settings, plan=LanguagePlan(rows=4), version="short")
    assert result.figures["steps"] == 1
    longer = replace(settings, max_steps=2)
    plan = LanguagePlan(rows=4)
    result = train_language(tmp_path, dataset.name, settings=longer, plan=plan, version="short", resume=True)
    assert result.figures["steps"] == 2
    assert (tmp_path / "checkpoint-1").is_dir()  # it went on from there
    speech = Speech.load(result.folder, folder)
    assert speech.card.words == vocabulary()
    row = wording_figures([FOUND]).to_json()
    report = {"rows": [row], "reading": None}
    released = release_language(result.folder, tmp_path / "released", report, "concierge train language")
    text = (released / "README.md").read_text("utf-8")
    assert "# short: words for SmolLM2-135M-Instruct" in text and "| templates | 1 |" in text
    (result.folder / "language.json").unlink()
    with pytest.raises(AdapterError, match=r"language\.json is missing"):
        release_language(result.folder, tmp_path / "released", report, "")


def test_what_the_grammar_reads_stands(catalogue: Catalogue) -> None:
    reading = Reading("chat", ("alien",), ("Horror",))
    told = understand("a comedy from the 90s", catalogue)
    assert not unread(told)
    strange = understand("gangsters and cops chasing each other", catalogue)
    assert unread(strange)
    full = completed(replace(strange, intent="other"), Reading("recommend", ("gangsters",), ("Crime",)), refines=False)
    assert full.intent == "recommend" and full.constraints.unchecked == ("gangsters",)
    assert not full.constraints  # what the LM reads binds nothing
    other = replace(strange, intent="other")
    assert completed(other, reading, False) is other, "only wishes are taken from a reading"
    assert completed(replace(strange, intent="other"), Reading("recommend"), True).intent == "refine"
    assert completed(replace(strange, intent="recommend"), reading, False).intent == "recommend"


def test_the_schema_holds_pieces_of_the_message() -> None:
    schema = json.dumps(reading_schema("Cops, robbers!", ("Crime",)))
    assert '"Cops, robbers"' in schema and '"Crime"' in schema
    assert parse_reading("nonsense", ()) is None and parse_reading('{"intent": "dance"}', ()) is None


def test_words_that_fail_the_check_are_not_shown() -> None:
    (told,) = Retelling(Upper("Here are five comedies from 1999, close to “Alien”.")).retell([FOUND])
    assert told.text == FOUND and told.flaws
    (told,) = Retelling(Upper("")).retell([FOUND])
    assert told.text == FOUND and told.flaws == ("nothing was written",)
    better = "Look, five comedies from 1990 to 1999, close to “Alien”."
    (told,) = Retelling(Upper(better)).retell([FOUND])
    assert told.text == better and told.passed


def test_a_question_at_the_end_stays_as_its_buttons_say() -> None:
    text = "Look, five comedies from 1990 to 1999, close to “Alien”."
    question = Question("genre", "Would a drama or a thriller suit you best?")
    answer = Answer(f"{FOUND} {question.text}", (), {}, "p", {}, 10.0, question=question)
    told = Retelling(Upper(text)).answer(answer, "key")
    assert told.reply == f"{text} {question.text}"
    assert told.timings_ms["wording"] >= 0 and told.latency_ms >= 10.0
    assert Retelling(Upper(text)).answer(replace(answer, about="thanks"), "key") == replace(answer, about="thanks")
    assert Retelling(Upper(text)).answer(answer, "key", reply=False).reply == answer.reply


def test_without_its_adapter_the_templates_speak(
    catalogue: Catalogue, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    language = Language(catalogue, "lm", folder=tmp_path)
    assert language.speech() is None and language.speech() is None
    assert caplog.text.count("templates word the answers") == 1
    with pytest.raises(SpeechError, match="is no address of a server"):
        Language(catalogue, "gpt")


def test_figures_of_the_templates_and_of_a_writer() -> None:
    paragraphs = [FOUND, FOUND.replace("five", "four"), FOUND]
    plain = wording_figures(paragraphs)
    assert (plain.passed, plain.tokens_per_second, plain.paragraphs) == (0, 0, 3)
    assert plain.distinct == round(2 / 3, 4)
    other = wording_figures(paragraphs, Retelling(Upper(FOUND.replace("Here are", "Look,"))), "lm")
    assert other.passed == round(2 / 3, 4) and other.flaws["numbers"] == 1
    with pytest.raises(ValueError, match="no paragraphs"):
        wording_figures([])


def test_the_messages_of_the_file_are_in_order_and_wrong_files_are_named(tmp_path: Path) -> None:
    assert len(read_expected(UNREAD)) == 60
    path = tmp_path / "messages.yaml"
    for text, problem in (
        ("- {message: hi}", "entry 1 needs message and intent"),
        ("- {message: hi, intent: dance}", "unknown intent 'dance'"),
        ("[]", "holds no message"),
        ("1", "no list of messages"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(MessagesError, match=problem):
            read_expected(path)


def test_verbs_explain_themselves() -> None:
    for verb in (["train", "language"], ["eval", "wording"], ["speak"]):
        shown = CliRunner().invoke(app, [*verb, "--help"])
        assert shown.exit_code == 0 and "Example: concierge" in shown.output
    refused = CliRunner().invoke(app, ["speak", "--host", "0.0.0.0"], env={"CONCIERGE_WORDING_KEY": ""})
    assert refused.exit_code == 2 and "lets other machines in" in refused.output
