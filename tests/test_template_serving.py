"""Edited templates in the chat: picked up at once, logged, kept from doing harm, one model in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import prompts
from agent.policy.state_prompt import StatePrompt
from agent.recommender import Recommender
from agent.records.conversation import Conversation
from agent.records.state import Event, State
from agent.store.feedback import FeedbackLog
from agent.store.template_serving import ServedTemplates

USER = "12"
ASK = "something funny"


@pytest.fixture
def chat(recommender: Recommender, tmp_path: Path) -> Iterator[Recommender]:
    """The real policy with a log of its own."""
    histories = {USER: recommender.history(USER)}
    with FeedbackLog(tmp_path / "feedback.db") as log:
        yield Recommender(recommender.catalogue, recommender.policy, histories, log)


def served_of(chat: Recommender) -> ServedTemplates:
    assert chat.templates is not None
    return chat.templates


def edit(old: str, new: str) -> str:
    source = prompts.load("state").source
    assert old in source
    return source.replace(old, new)


def ask(chat: Recommender, id: str = "c") -> list[float]:
    answer = chat.reply(Conversation(id=id, user=USER), ASK)
    return [item.score for item in answer.items]


def test_an_activated_version_serves_the_next_turn_and_is_logged(chat: Recommender) -> None:
    served = served_of(chat)
    before = ask(chat, "a")
    saved = served.store.save(edit("history|rated", "history|tokens"), "ann", parent=1).version
    assert ask(chat, "b") == before, "a draft does not serve"
    served.activate(saved.reference, "ann")
    after = ask(chat, "c")
    assert after != before
    served.roll_back("state", "ann")
    assert ask(chat, "d") == before
    assert chat.log is not None
    logged = [(row.template_name, row.template_version, row.template_hash) for row in chat.log.impressions()]
    shipped = ("state", "1", prompts.load("state").hash)
    assert logged == [shipped, shipped, ("state", "2", saved.hash), shipped]


def test_the_model_is_shared(chat: Recommender) -> None:
    served = served_of(chat)
    saved = served.store.save(edit("Wish:", "Wants:"), "ann", parent=1).version
    served.activate(saved.reference, "ann")
    policy = served.policy(chat.policy, "c")
    assert policy is not chat.policy
    assert policy.lm is chat.policy.lm
    assert policy.evidence is chat.policy.evidence
    assert policy.template == saved.template.reference
    assert policy.without_lm().with_template(saved.template).template["name"] == "none"


def test_an_experiment_serves_both_and_the_log_says_which(chat: Recommender) -> None:
    served = served_of(chat)
    saved = served.store.save(edit("Wish:", "Wants:"), "ann", parent=1).version
    serving = served.experiment("state@1", saved.reference, 0.5, "ann")
    conversations = [Conversation(user=USER) for _ in range(6)]
    for conversation in conversations * 2:
        chat.reply(conversation, ASK)
    assert chat.log is not None
    rows = list(chat.log.impressions())
    for row in rows:
        share = serving.share_of(row.conversation_id)
        assert share is not None
        assert row.template_version == str(share.version)


def test_a_template_that_fails_on_a_state_gives_way_to_the_adapters_own(chat: Recommender) -> None:
    served = served_of(chat)
    before = ask(chat, "a")
    trap = "{% if request == '" + ASK + "' %}{{ 1 // 0 }}{% endif %}\nWatched:"
    saved = served.store.save(edit("Watched:", trap), "ann", parent=1).version
    served.activate(saved.reference, "ann")
    assert ask(chat, "b") == before
    assert chat.log is not None
    assert [row.template_version for row in chat.log.impressions()] == ["1", "1"]


def test_a_prompt_too_long_for_the_window_loses_its_oldest_history(recommender: Recommender) -> None:
    prompt = recommender.policy.prompt
    assert prompt is not None
    titles = edit("Watched:{{ history|rated }}", "Watched: {{ history|map(attribute='title')|join(', ') }}")
    long = prompts.IsolatedTemplate.of(prompts.parse(titles))
    wordy = StatePrompt(long, prompt.tokenizer, prompt.items, max_history=100)
    state = State(tuple(Event(n, 4.0) for n in range(100)), "funny and clever", goal="request")
    whole = prompt.tokenizer(wordy.text(state), add_special_tokens=False)["input_ids"]
    assert wordy.encode([state]) == [whole], "what fits is left alone"
    wordy.window = 120
    (ids,) = wordy.encode([state])
    assert 80 < len(ids) <= 120
    text = prompt.tokenizer.decode(ids)
    assert "You recommend films." in text
    assert "Wish: funny and clever" in text
    assert recommender.catalogue[99].title in text
    assert recommender.catalogue[0].title not in text


def test_the_window_is_the_models_where_that_is_smaller() -> None:
    tokenizer = SimpleNamespace(model_max_length=512)
    assert StatePrompt(prompts.load("state"), tokenizer, []).window == 512
