"""The language adapter on the real small model: decoding, forms, shared weights, threads, and the server."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
import uvicorn

import prompts
from agent.data.assets import base_model_path, fetch
from agent.generation.constrained import JsonForm
from agent.generation.fidelity import QUOTE, changes, retellable
from agent.generation.lm_parser import INTENTS, RequestReader
from agent.generation.local import LANGUAGE, Asked, Speech
from agent.generation.openai import RemoteSpeech, SpeechError
from agent.generation.paraphrase import Retelling, facts_form
from agent.generation.service import Language
from agent.policy.item_lm import AdapterError, load_base
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from ui.chat.speech_api import speech_app

CARD = (
    "Picked because you liked “Alien” and “Brazil”. It is a comedy from 1994, as you asked. "
    "120 viewers give it 4.1 stars on average."
)
FOUND = "Here are five comedies from 1990 to 1999, close to “Alien”."


@pytest.fixture(scope="module")
def folder() -> Path:
    fetch(progress=False)
    return base_model_path(progress=False)


@pytest.fixture(scope="module")
def base(folder: Path) -> Any:
    """The first 18 layers of the base LM, as a policy holds them."""
    model, _ = load_base(folder, layers=18)
    return model


@pytest.fixture(scope="module")
def speech(folder: Path, base: Any) -> Speech:
    return Speech.load(LANGUAGE, folder, base)


def wording(facts: str, **settings: Any) -> Asked:
    return Asked(prompts.load("wording").render(facts=facts).messages, **settings)


def test_the_base_weights_are_those_of_the_policy(base: Any, speech: Speech) -> None:
    own = speech.model
    assert own.get_input_embeddings().weight.data_ptr() == base.get_input_embeddings().weight.data_ptr()
    theirs = base.model.layers[0].mlp.up_proj.weight
    assert own.model.layers[0].mlp.up_proj.weight.data_ptr() == theirs.data_ptr()
    # The tuned layers are the adapter's own.
    assert not any(name.startswith("model.layers.0.") for name in speech._tuned)
    assert "model.layers.29.mlp.up_proj.weight" in speech._tuned
    assert speech.share(base) > 0.5 * sum(tensor.nbytes for tensor in base.parameters())


def test_texts_written_side_by_side_are_those_written_alone(speech: Speech) -> None:
    asked = [wording(CARD, max_tokens=4), wording(FOUND, max_tokens=6)]
    together = speech.write(asked)
    assert all(together)
    ids = [speech.tokenizer(text)["input_ids"] for text in together]
    alone = [speech.tokenizer(speech.write([one])[0])["input_ids"] for one in asked]
    # Padding changes the last bits of bfloat16; the beginnings agree.
    assert [row[:3] for row in ids] == [row[:3] for row in alone]


def test_the_cache_gives_what_the_whole_text_gives(speech: Speech) -> None:
    asked = wording(FOUND, max_tokens=8)
    tokens = [token for step in speech._steps([asked]) for _, token in step]
    ids = speech.ids(asked.messages)
    with torch.inference_mode():
        logits = speech.model(torch.tensor([ids + tokens[:-1]])).logits[0, len(ids) - 1 :].float()
    chosen = logits[torch.arange(len(tokens)), tokens]
    assert (logits.max(dim=1).values - chosen).max() < 0.5  # greedy, up to rounding


def test_a_stream_is_the_text_in_pieces(speech: Speech) -> None:
    asked = wording(FOUND, max_tokens=8)
    pieces = list(speech.stream(asked))
    assert len(pieces) > 2
    assert "".join(pieces).strip() == speech.write([asked])[0]


def test_a_held_text_keeps_titles_and_numbers(speech: Speech) -> None:
    words = speech.card.words
    form = facts_form(CARD, words)
    for text in speech.write([wording(CARD, form=form, temperature=2.0, seed=seed, max_tokens=16) for seed in (1, 2)]):
        assert set(QUOTE.findall(text)) <= {"Alien", "Brazil"}
        whole = text.rpartition(" ")[0]  # the last word may be cut short
        assert set(re.findall(r"\d+(?:\.\d+)?", whole)) <= {"1994", "120", "4.1"}
        assert not [flaw for flaw in changes(whole, CARD, words) if flaw.startswith("word")]


def test_json_is_held_to_its_schema(speech: Speech) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"enum": ["x", "yy"]}, "b": {"type": "array", "items": {"enum": ["z"]}, "maxItems": 2}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    (text,) = speech.write([wording(FOUND, form=JsonForm(schema), temperature=3.0)])
    data = json.loads(text)
    assert set(data) == {"a", "b"} and data["a"] in ("x", "yy") and set(data["b"]) <= {"z"}
    with pytest.raises(ValueError, match="no text can be held"):
        speech.write([wording(FOUND, form=JsonForm({"type": "no such type"}))])


def test_threads_may_share_it(speech: Speech) -> None:
    asked = wording(FOUND, max_tokens=5)
    once = speech.write([asked])
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: speech.write([asked]), range(2))) == [once] * 2


def test_another_base_model_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(AdapterError, match="was trained on SmolLM2-135M-Instruct, not on"):
        Speech.load(LANGUAGE, tmp_path)
    with pytest.raises(AdapterError, match="is not the card of a language adapter"):
        Speech.load(tmp_path, folder)


def test_wordings_are_checked(speech: Speech) -> None:
    retelling = Retelling(speech, speech.card.words, held=True)
    told = retelling.retell([FOUND] * 2, seed=1)
    assert any(one.passed for one in told)
    assert all(not changes(one.text, FOUND, speech.card.words) for one in told)
    (two,) = retelling.retell(["For you I would pick “A”: 62% against 38% for “B”."])
    assert two.written == ""  # two titles whose parts could be confused: not asked


def test_readings_are_of_the_message(speech: Speech) -> None:
    reader = RequestReader(speech, ("Comedy", "Crime", "Drama"))
    messages = ["gangsters and cops chasing each other", "what's the capital of Sweden?", "?!"]
    wish, off_topic, nothing = reader.read_many(messages)
    assert wish is not None and off_topic is not None
    assert {wish.intent, off_topic.intent} <= set(INTENTS)
    assert all(piece in messages[0] for piece in wish.wishes)
    assert set(wish.genres) <= {"Comedy", "Crime", "Drama"}
    assert nothing is None


@pytest.fixture(scope="module")
def server(speech: Speech) -> Iterator[str]:
    """A real server on a port of its own, over the real model."""
    config = uvicorn.Config(speech_app(speech, key="secret"), host="127.0.0.1", port=0, log_level="error")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/v1"
    running.should_exit = True
    thread.join(10)


def test_a_server_words_facts(server: str, speech: Speech) -> None:
    remote = RemoteSpeech(server, speech.card.version, key="secret")
    asked = wording(FOUND, max_tokens=6)
    assert remote.write([asked]) == speech.write([asked])
    assert "".join(remote.stream(asked)).strip() == speech.write([asked])[0]
    schema = {"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"], "additionalProperties": False}
    assert remote.write([wording(FOUND, form=JsonForm(schema))]) == ['{"a": "x"}']
    remote.close()


def test_a_server_that_refuses_leaves_the_templates_words(server: str, caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    remote = RemoteSpeech(server, "any", key="wrong", clock=lambda: now[0])
    (told,) = Retelling(remote).retell([FOUND])
    assert told.text == FOUND and not told.passed and "401" in told.flaws[0]
    assert "templates word the answers" in caplog.text
    with pytest.raises(SpeechError, match="failed a moment ago"):
        remote.write([wording(FOUND)])
    now[0] = 31.0
    with pytest.raises(SpeechError, match="401"):
        remote.write([wording(FOUND)])
    remote.close()


def test_a_server_that_is_away_and_bad_requests(server: str) -> None:
    away = RemoteSpeech("http://127.0.0.1:9/v1", "any", timeout=1.0)
    assert Retelling(away).retell([FOUND])[0].text == FOUND
    away.close()
    with pytest.raises(SpeechError, match="no address of a server"):
        RemoteSpeech("localhost:8000", "any")
    headers = {"Authorization": "Bearer secret"}
    assert httpx.get(f"{server}/models", headers=headers).json()["data"][0]["id"]
    for body in (
        "nonsense",
        "{}",
        '{"messages": []}',
        '{"messages": [{"role": "user", "content": "x"}], "max_tokens": 9999}',
    ):
        answer = httpx.post(f"{server}/chat/completions", content=body, headers=headers)
        assert answer.status_code == 400 and answer.json()["error"]["message"]


LOVED, COMEDY = "You liked “Alien” and “Brazil”.", "It is a comedy from 1994."
CROWD = "It averages 4.1 stars over 120 viewers."


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("You liked “Alien” and “Brazil”, so here is a comedy from 1994, as you asked. " + CROWD, ""),
        (f"You liked “Alien”. {COMEDY} {CROWD}", "no title “Brazil”"),
        (f"You liked “Alien”, “Heat” and “Brazil”. {COMEDY} {CROWD}", "title “Heat”"),
        (f"{LOVED} {COMEDY} It averages 120 stars over 4.1 viewers.", "numbers"),
        (f"{LOVED} It is a thriller from 1994. {CROWD}", "word thriller"),
        (f"You never liked “Alien” and “Brazil”. {COMEDY} {CROWD}", "added: never"),
        (f"You watched “Alien” and “Brazil”. {COMEDY} {CROWD}", "the part of “Alien”"),
        (f"{LOVED} {COMEDY} It averages less than 4.1 stars over 120 viewers.", "added: less"),
        (f"{LOVED} {COMEDY} It has 4.1 stars over 120 viewers.", "left out: average"),
    ],
)
def test_changes(text: str, flaw: str) -> None:
    found = changes(text, CARD, ["so", "here", "averages", "over", "watched", "never", "than", "less", "has"])
    assert any(one.startswith(flaw) for one in found) if flaw else found == []


def test_years_keep_their_order_and_people_their_deeds() -> None:
    assert changes("Here are five comedies from 1999 to 1990, close to “Alien”.", FOUND)
    assert changes(FOUND.replace("five", "four"), FOUND) == ["numbers four 1990 1999"]
    plain = "I know no films from 1921 that you have not seen; the closest are five films from 1930."
    assert changes("Five films from 1921 and no films from 1930 that you have not seen.", plain)
    assert "somebody else did it" in changes(plain.replace("you have not", "I have not"), plain)
    twice = (
        "You liked “Alien” and “Brazil”, and “Alien” is a comedy from 1994. 120 viewers give it 4.1 stars on average."
    )
    assert changes(twice, CARD)[0] == "title “Alien”"
    assert retellable(FOUND) and retellable(CARD)
    assert not retellable("What speaks for “Alien”: you liked “Brazil”.")


def test_a_chat_in_the_lms_words(recommender: Recommender) -> None:
    ask = "a comedy from the 90s"
    plain = recommender.reply(Conversation(), ask)
    recommender.language = Language(recommender.catalogue, "lm")
    try:
        told = recommender.reply(Conversation(), ask)
        speech = recommender.language.speech()
    finally:
        recommender.language = None
    assert [item.item_id for item in told.items] == [item.item_id for item in plain.items]
    assert told.timings_ms["wording"] > 0
    assert speech is not None and recommender.policy.lm is not None
    question = "" if told.question is None else told.question.text
    before, after = plain.reply.removesuffix(question), told.reply.removesuffix(question)
    assert before == after or not changes(after, before, speech.card.words)
    assert [item.reason for item in told.items] == [item.reason for item in plain.items]
    embedding = recommender.policy.lm.model.get_input_embeddings().weight
    assert speech.model.get_input_embeddings().weight.data_ptr() == embedding.data_ptr()
