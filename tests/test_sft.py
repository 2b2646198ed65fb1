"""Fine-tuning on a few rows of real data with two layers of the real model: packing, export, and plain PEFT agree."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from scipy.sparse import csr_matrix
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Trainer

import prompts
from agent.catalogue.catalogue import Catalogue
from agent.data.assets import base_model_path
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings, user_histories
from agent.policy.item_embeddings import ItemFeatures, ItemLike, RowMaker, item_token
from agent.policy.item_lm import ItemLanguageModel, PolicyCard, load_base
from agent.policy.state_prompt import StatePrompt
from agent.records.state import State
from training.adapter import write_adapter
from training.requests.facet_writer import request_writer
from training.requests.writer import PhraseWriter
from training.sft.packing import PolicyCollator, encode_rows
from training.sft.rows import RowPlan, SftRows, build_rows
from training.sft.trainer import (
    PolicyTrainer,
    SftSettings,
    can_start_from,
    fit_evidence_weights,
    policy_logits,
    start_from,
    train_policy,
)
from training.splits import past_and_future

FEATURES = ("first", "second")


@dataclass
class NoisyEvidence:
    """Evidence that needs no fitting: two numbers an item, from a seed."""

    n_items: int
    retriever: Any = None

    def features(self, histories: Any, candidates: Any = None) -> np.ndarray:
        """(B, n_items, 2) float32."""
        rng = np.random.default_rng(len(histories))
        return rng.normal(size=(len(histories), self.n_items, 2)).astype(np.float32)


@dataclass
class Trained:
    """What the tests of one small training run look at."""

    trainer: PolicyTrainer
    rows: SftRows
    prompt: StatePrompt
    features: ItemFeatures
    first_item: int
    folder: Path
    base: Path
    catalogue: Catalogue


@pytest.fixture(scope="module")
def small_rows(dataset: Dataset) -> tuple[Catalogue, SftRows]:
    past = past_and_future(indexed_ratings(dataset)).past
    catalogue = Catalogue(dataset)
    histories = user_histories(past)
    users = list(histories)[:12]
    neighbours = csr_matrix(np.roll(np.eye(len(catalogue)), 1, axis=1))
    plan = RowPlan(anchors=3, cold=0.2, alike=0.2)
    writer = request_writer(catalogue)
    assert isinstance(writer, PhraseWriter)
    evidence = NoisyEvidence(len(catalogue))
    return catalogue, build_rows(histories, [(evidence, users)], catalogue, neighbours, writer, plan)


def _train(
    catalogue: Catalogue,
    rows: SftRows,
    folder: Path,
    resume: bool = False,
    base: Path | None = None,
    layers: int | None = 2,
) -> Trained:
    base = base or base_model_path()
    model, tokenizer = load_base(base, layers=layers, dtype=torch.float32)
    embedding = model.get_input_embeddings().weight.detach().numpy()
    neighbours = csr_matrix(np.roll(np.eye(len(catalogue)), 1, axis=1))
    features = ItemFeatures.build(
        catalogue.items, tokenizer, embedding, neighbours, catalogue.rating_count, catalogue.mean_rating
    )
    first_item = len(tokenizer)
    tokenizer.add_tokens([item_token(item.item_id) for item in catalogue.items])
    prompt = StatePrompt(prompts.load("state"), tokenizer, catalogue.items)
    settings = SftSettings(layers=layers, lora_rank=4, batch=2, max_steps=4, save_steps=2)
    trainer = train_policy(
        model,
        tokenizer,
        RowMaker(features),
        rows,
        prompt,
        first_item,
        settings,
        folder / "run",
        lambda *_: None,
        resume,
    )
    return Trained(trainer, rows, prompt, features, first_item, folder / "adapter", base, catalogue)


@pytest.fixture(scope="module")
def trained(small_rows: tuple[Catalogue, SftRows], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    run = _train(*small_rows, tmp_path_factory.mktemp("sft"))
    _write(run, 2)
    return run


def _write(run: Trained, layers: int | None, kept: list[int] | None = None) -> None:
    write_adapter(
        run.folder,
        run.trainer.model,
        run.trainer.model.policy_head,
        run.catalogue.items,
        run.first_item,
        base=run.base.name,
        base_weights=run.base,
        layers=layers,
        features=FEATURES,
        template="state@1",
        version="test",
        temperature=1.0,
        max_history=15,
        kept=kept,
    )


def test_rows_only_read_the_past_and_are_true(small_rows: tuple[Catalogue, SftRows], dataset: Dataset) -> None:
    _, rows = small_rows
    future = past_and_future(indexed_ratings(dataset)).future
    held_out = set(zip(future["user"], future["item"], strict=True))
    kinds = {row.state.goal for row in rows.rows}
    assert kinds == {"next", "like", "request"}
    assert any(row.state.like for row in rows.rows) and any(not row.state.history for row in rows.rows)
    for row in rows.rows:
        assert row.target not in {event.item for event in row.state.history}
        told = {row.target, *(event.item for event in row.state.history), *(row.slate or ())}
        assert not any((row.user, item) in held_out for item in told)
        assert rows.fitting(row)[row.target]
        if row.slate is not None:
            assert row.target in row.slate and len(row.slate) >= 10


def test_training_lowers_the_loss_and_moves_every_part(trained: Trained) -> None:
    head = trained.trainer.model.policy_head
    assert head.rows.own.abs().max() > 0 and head.rows.change.abs().max() > 0
    start = fit_evidence_weights(trained.rows)
    assert not torch.equal(start, head.weights.detach())
    lora = {n: p for n, p in trained.trainer.model.named_parameters() if "lora_B" in n}
    assert lora and all(p.abs().max() > 0 for p in lora.values())


def test_another_training_starts_where_an_adapter_of_the_same_base_ended(trained: Trained) -> None:
    width = trained.features.width
    assert can_start_from(trained.folder, trained.base, 2, 4, width)
    assert not can_start_from(trained.folder, trained.base, 3, 4, width)
    assert not can_start_from(trained.folder, trained.base, 2, 8, width)
    model, _ = load_base(trained.base, layers=2, dtype=torch.float32)
    fresh = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    rows = RowMaker(trained.features)
    start_from(trained.folder, fresh, rows, trained.catalogue.items)
    head = trained.trainer.model.policy_head
    torch.testing.assert_close(rows(), head.rows(), rtol=1e-2, atol=1e-2)
    there = dict(trained.trainer.model.named_parameters())
    for name, tensor in fresh.named_parameters():
        if "lora_" in name:
            torch.testing.assert_close(tensor, there[name], rtol=1e-2, atol=1e-3)


def test_only_the_kept_rows_are_written_and_the_others_are_made(trained: Trained, tmp_path: Path) -> None:
    few = replace(trained, folder=tmp_path / "few")
    _write(few, 2, kept=[3, 700])
    card = PolicyCard.read(few.folder)
    assert len(card.items) == 2
    args = (trained.base, trained.catalogue.items, trained.features)
    loaded = ItemLanguageModel.from_adapter(few.folder, *args, dtype=torch.float32)
    rows = loaded.model.get_input_embeddings().weight[loaded.token_ids]
    whole = trained.trainer.model.policy_head.rows()
    torch.testing.assert_close(rows[[3, 700]], whole[[3, 700]], rtol=1e-2, atol=1e-2)
    assert not torch.equal(rows[4], torch.zeros_like(rows[4]))


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    trained: Trained, small_rows: tuple[Catalogue, SftRows], tmp_path: Path
) -> None:
    checkpoint = trained.folder.parent / "run" / "checkpoint-4"
    assert checkpoint.is_dir()
    broken = tmp_path / "run" / "checkpoint-2"
    unbroken = _train(*small_rows, tmp_path / "first")
    shutil.copytree(tmp_path / "first" / "run" / "checkpoint-2", broken)
    resumed = _train(*small_rows, tmp_path, resume=True)
    for one, two in zip(unbroken.trainer.model.parameters(), resumed.trainer.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("save", [1, 2])
def test_broken_off_while_it_writes_a_checkpoint_it_resumes(
    save: int,
    trained: Trained,
    small_rows: tuple[Catalogue, SftRows],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saves = []

    def fail(self: Any, output_dir: str) -> None:
        saves.append(output_dir)
        if len(saves) == save:
            raise OSError("no space left on device")
        original(self, output_dir)

    original = Trainer._save_rng_state
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_rng_state", fail)
        with pytest.raises(OSError, match="no space left"):
            _train(*small_rows, tmp_path)
    assert [path.name for path in (tmp_path / "run").glob("checkpoint-*")] == ["checkpoint-2"][: save - 1]
    resumed = _train(*small_rows, tmp_path, resume=True)
    for one, two in zip(trained.trainer.model.parameters(), resumed.trainer.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_packed_logits_equal_single_prompts_and_plain_peft(trained: Trained) -> None:
    data = encode_rows(trained.rows, trained.prompt)
    examples = [data[i] for i in range(3)]
    assert max(len(example["rows"]) for example in examples) > 1
    inputs = PolicyCollator(trained.rows, trained.prompt.tokenizer.pad_token_id)(examples)
    inputs["evidence"] = torch.zeros_like(inputs["evidence"])
    inputs["allowed"] = torch.ones_like(inputs["allowed"])
    with torch.no_grad():
        model = trained.trainer.model.eval()
        packed = policy_logits(model, model.policy_head, inputs, trained.first_item).numpy()
    states = [trained.rows.rows[row].state for example in examples for row in example["rows"]]

    items = trained.catalogue.items
    lm = ItemLanguageModel.from_adapter(trained.folder, trained.base, items, None, dtype=torch.float32)
    alone = lm.scores(StatePrompt(prompts.load("state"), lm.tokenizer, items).encode(states))
    np.testing.assert_allclose(alone, packed, atol=0.03)  # the adapter is stored as float16

    from peft import PeftModel

    plain, tokenizer = load_base(trained.base, layers=2, dtype=torch.float32)
    tokenizer.add_tokens([item_token(item.item_id) for item in items])
    plain.resize_token_embeddings(len(tokenizer))
    peft = PeftModel.from_pretrained(plain, str(trained.folder)).eval()
    ids = trained.prompt.encode([states[0]])
    with torch.no_grad():
        logits = peft(input_ids=torch.tensor(ids)).logits[0, -1, trained.first_item :].float().numpy()
    np.testing.assert_allclose(logits, alone[0], atol=1e-3)


@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")  # peft says that it adapts to GPT-2's layers
@pytest.mark.parametrize("kind", ["qwen2", "gpt2"])
def test_any_causal_lm_can_be_tuned(small_rows: tuple[Catalogue, SftRows], tmp_path: Path, kind: str) -> None:
    base = tmp_path / kind
    tokenizer = AutoTokenizer.from_pretrained(base_model_path())
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    if kind == "gpt2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2}
    else:
        sizes["num_key_value_heads"] = 2
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(base)
    tokenizer.save_pretrained(base)
    run = _train(*small_rows, tmp_path, base=base, layers=None)
    _write(run, None)
    lm = ItemLanguageModel.from_adapter(run.folder, base, run.catalogue.items, None, dtype=torch.float32)
    prompt = StatePrompt(prompts.load("state"), lm.tokenizer, run.catalogue.items)
    scores = lm.scores(prompt.encode([State(request="a comedy"), State(request="a war film")]))
    assert scores.shape == (2, len(run.catalogue)) and np.isfinite(scores).all() and (scores[0] != scores[1]).any()


def test_a_new_catalogue_gets_rows_from_its_text(trained: Trained) -> None:
    items: list[ItemLike] = [*trained.catalogue.items[:50], _Film("new", "A Brand New Film", 2031, ("Comedy",))]
    features = ItemFeatures(trained.features.values[: len(items)], trained.features.text_width)
    lm = ItemLanguageModel.from_adapter(trained.folder, trained.base, items, features, dtype=torch.float32)
    scores = lm.scores(StatePrompt(prompts.load("state"), lm.tokenizer, items).encode([State(request="a comedy")]))
    assert scores.shape == (1, 51) and np.isfinite(scores).all()


def test_the_card_round_trips_and_names_its_flaws(trained: Trained, tmp_path: Path) -> None:
    card = PolicyCard.read(trained.folder)
    assert card.version == "test" and len(card.items) == len(trained.catalogue) and set(card.weights) == {
        "next", "like", "request",
    }  # fmt: skip
    (tmp_path / "policy.json").write_text('{"version": "x"}')
    with pytest.raises(ValueError, match=r"policy\.json is not a policy card"):
        PolicyCard.read(tmp_path)


@dataclass(frozen=True)
class _Film:
    item_id: str
    title: str
    year: int | None
    categories: tuple[str, ...]
