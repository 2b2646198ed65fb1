"""The reward model on a few real slates and two layers of the real model: packing, training, resuming, calibration."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import TypeAdapter
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import base_model_path
from agent.data.dataset import Dataset
from agent.data.interactions import indexed_ratings
from agent.features.model import FEATURES
from agent.policy.item_embeddings import ItemLike, item_token
from agent.policy.item_lm import AdapterError, PolicyCard, load_base
from agent.policy.loading import RELEASED
from agent.policy.weights import ADAPTER_FILE
from agent.records.state import Event, State
from training.release import LARGEST, release_reward
from training.reward.calibration import (
    KINDS,
    Calibration,
    Kind,
    auc_by_group,
    calibration_error,
    choose_calibration,
    reliability,
)
from training.reward.model import RewardCard, RewardModel, adapted_classifier, lm_logits
from training.reward.recipe import RewardResult, train_reward
from training.reward.rows import RewardRows, build_reward_rows, candidate_evidence, pack_candidates
from training.reward.trainer import RewardSettings, fit_evidence, reward_loss
from training.splits import PastAndFuture, past_and_future

SETTINGS = RewardSettings(layers=2, batch=2, max_steps=4, evaluations=2, valid_share=0.4)


@dataclass
class PlantedEvidence:
    """Evidence that needs no fitting: the item's number in another form, plus noise from a seed."""

    n_items: int

    def features(self, histories: Sequence[Sequence[Event]], candidates: np.ndarray | None = None) -> np.ndarray:
        """(B, C, len(FEATURES)) float32."""
        table = np.random.default_rng(0).normal(size=(self.n_items, len(FEATURES))).astype(np.float32)
        chosen = np.tile(np.arange(self.n_items), (len(histories), 1)) if candidates is None else candidates
        found: np.ndarray = table[chosen]
        return found


@pytest.fixture(scope="module")
def parts(dataset: Dataset) -> PastAndFuture:
    return past_and_future(indexed_ratings(dataset))


@pytest.fixture(scope="module")
def evidence(dataset: Dataset) -> PlantedEvidence:
    return PlantedEvidence(len(dataset.items))


@pytest.fixture(scope="module")
def rows(parts: PastAndFuture, evidence: PlantedEvidence) -> RewardRows:
    users = parts.past["user"].unique().tolist()[:12]
    few = parts.past[parts.past["user"].isin(users)]
    built = build_reward_rows(few, [(evidence, users[:6]), (evidence, users[6:])], share=0.6)
    return built.only([k for k in range(len(built)) if built.users[:k].count(built.users[k]) < 2])


def _train(rows: RewardRows, output: Path, resume: bool = False, settings: RewardSettings = SETTINGS) -> RewardResult:
    return train_reward(output, rows=rows, settings=settings, version="test", resume=resume)


@pytest.fixture(scope="module")
def trained(rows: RewardRows, tmp_path_factory: pytest.TempPathFactory) -> RewardResult:
    return _train(rows, tmp_path_factory.mktemp("reward"))


@pytest.fixture(scope="module")
def loaded(trained: RewardResult, dataset: Dataset, evidence: PlantedEvidence) -> RewardModel:
    items = Catalogue(dataset).items
    return RewardModel.load(trained.folder, base_model_path(), items, evidence, dtype=torch.float32)


def test_rows_only_read_the_past(rows: RewardRows, parts: PastAndFuture) -> None:
    past = {(u, i): r for u, i, r in parts.past[["user", "item", "rating"]].itertuples(index=False)}
    for user, state, items, stars in zip(rows.users, rows.states, rows.items, rows.stars, strict=True):
        assert [past[user, item] for item in items] == stars.tolist()
        assert all((user, event.item) in past for event in state.history)
        assert not {event.item for event in state.history} & set(items.tolist())
    train, valid = rows.split(0.4, seed=0)
    assert not set(train.users) & set(valid.users) and len(train) + len(valid) == len(rows)
    assert {*train.users, *valid.users} == set(rows.users)
    with pytest.raises(ValueError, match=r"a share of 0\.0 of 10 users leaves nothing"):
        rows.split(0.0, seed=0)


def test_evidence_is_taken_for_each_states_own_candidates(rows: RewardRows, evidence: PlantedEvidence) -> None:
    ragged = [own[: 3 + k % 4] for k, own in enumerate(rows.items)]
    every = evidence.features([state.history for state in rows.states])
    for k, own in enumerate(candidate_evidence(evidence, rows.states, ragged)):
        np.testing.assert_array_equal(own, every[k, ragged[k]])


def test_a_packed_candidate_reads_as_if_it_alone_followed(dataset: Dataset) -> None:
    items = Catalogue(dataset).items
    card = PolicyCard.read(RELEASED)
    model, tokenizer, token_ids = adapted_classifier(
        RELEASED, card.items, base_model_path(), items, None, 2, dtype=torch.float32
    )
    torch.nn.init.normal_(model.get_base_model().score.modules_to_save["default"].weight, generator=None, std=0.05)
    prompts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("Watched: it\nLiked:", "Liked:")]
    candidates = [token_ids[[3, 17, 99]].tolist(), token_ids[[5]].tolist()]
    with torch.no_grad():
        packed = lm_logits(model.eval(), pack_candidates(prompts, candidates, tokenizer.pad_token_id))
        alone = [
            model(input_ids=torch.tensor([[*prompt, token]])).logits[0, 0]
            for prompt, own in zip(prompts, candidates, strict=True)
            for token in own
        ]
    assert len(set(packed.tolist())) == 4
    torch.testing.assert_close(packed, torch.stack(alone), rtol=1e-4, atol=1e-4)


def test_training_starts_at_the_evidence_and_moves_every_part_but_the_rows(
    trained: RewardResult, rows: RewardRows, dataset: Dataset
) -> None:
    card = PolicyCard.read(RELEASED)
    items = Catalogue(dataset).items
    fresh, _, token_ids = adapted_classifier(RELEASED, card.items, base_model_path(), items, None, 2)
    assert fresh.get_base_model().score.weight.abs().max() == 0  # silent: the evidence alone
    tuned, _, _ = adapted_classifier(trained.folder, trained.card.items, base_model_path(), items, None, 2)
    assert tuned.get_base_model().score.weight.abs().max() > 0
    before, after = fresh.get_input_embeddings().weight[token_ids], tuned.get_input_embeddings().weight[token_ids]
    assert torch.equal(before, after)
    moved = dict(fresh.named_parameters())
    assert all(not torch.equal(p, moved[name].to(p)) for name, p in tuned.named_parameters() if "lora_B" in name)
    weights, _ = fit_evidence(rows.split(SETTINGS.valid_share, 0)[0])
    assert trained.card.lm_weight in (0.0, 0.25, 0.5, 0.75, 1.0)
    assert np.allclose(trained.card.weights, weights, atol=0.1)


def test_the_written_folder_is_what_was_trained(
    trained: RewardResult, loaded: RewardModel, rows: RewardRows, evidence: PlantedEvidence, dataset: Dataset
) -> None:
    assert sum(path.stat().st_size for path in trained.folder.glob("*.safetensors")) < LARGEST
    figures = json.loads((trained.folder / "training.json").read_text("utf-8"))
    assert figures["validation"] == json.loads(json.dumps(trained.figures["validation"]))
    _, valid = rows.split(SETTINGS.valid_share, 0)
    probabilities = np.concatenate(loaded.probabilities(valid.states, valid.items))
    users = [user for user, own in zip(valid.users, valid.items, strict=True) for _ in own]
    within = auc_by_group(probabilities, np.concatenate(valid.likes), users)[0].mean()
    assert within == pytest.approx(figures["validation"]["chosen"]["auc_within_user"], abs=0.02)

    from peft import PeftModel

    plain, tokenizer = load_base(base_model_path(), 2, torch.float32, scalar=True)
    tokenizer.add_tokens([item_token(item.item_id) for item in Catalogue(dataset).items])
    plain.resize_token_embeddings(len(tokenizer))
    plain.config.pad_token_id = tokenizer.pad_token_id
    peft = PeftModel.from_pretrained(plain, str(trained.folder)).eval()
    ids = [*loaded.prompt.encode([valid.states[0]])[0], int(loaded.token_ids[valid.items[0][0]])]
    with torch.no_grad():
        logit = peft(input_ids=torch.tensor([ids])).logits[0, 0].item()
    assert logit == pytest.approx(float(loaded.lm_scores(valid.states[:1], valid.items[:1])[0][0]), abs=1e-3)


def test_probabilities_are_the_card_applied(loaded: RewardModel, rows: RewardRows, evidence: PlantedEvidence) -> None:
    states, candidates = rows.states[:3], [rows.items[0], np.array([], dtype=np.int64), rows.items[2][:2]]
    card = loaded.card
    lm = loaded.lm_scores(states, candidates)
    own = [
        card.calibration(card.lm_weight * part + known @ np.array(card.weights) + card.bias)
        for part, known in zip(lm, candidate_evidence(evidence, states, candidates), strict=True)
    ]
    for found, wanted, reward in zip(
        loaded.probabilities(states, candidates), own, loaded.rewards(states, candidates), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        np.testing.assert_allclose(reward, 2 * wanted - 1, rtol=1e-6, atol=1e-9)
        assert (np.abs(reward) <= 1).all()
    assert loaded.probabilities([], []) == []
    with pytest.raises(IndexError, match="outside the catalogue of 1682"):
        loaded.probabilities([State()], [[1682]])
    with pytest.raises(ValueError, match="1 states but 2 lists"):
        loaded.probabilities([State()], [[1], [2]])


def test_the_lm_can_stand_alone(rows: RewardRows, tmp_path: Path, dataset: Dataset) -> None:
    result = _train(rows, tmp_path, settings=replace(SETTINGS, evidence=False, max_steps=2))
    assert result.card.features == () and result.card.weights == () and result.card.lm_weight == 1.0
    model = RewardModel.load(result.folder, None, Catalogue(dataset).items)
    one, two = model.probabilities([State()], [[0, 1]])[0]
    assert 0 < one < 1 and one != two


def test_a_resumed_run_ends_where_an_unbroken_one_does(trained: RewardResult, rows: RewardRows, tmp_path: Path) -> None:
    checkpoint = trained.folder.parent / "run" / "checkpoint-2"
    shutil.copytree(checkpoint, tmp_path / "run" / "checkpoint-2")
    resumed = _train(rows, tmp_path, resume=True)
    assert resumed.card.weights == pytest.approx(trained.card.weights, rel=1e-4)
    one, two = (
        adapted_classifier(r.folder, r.card.items, base_model_path(), _items(), None, 2)[0] for r in (trained, resumed)
    )
    for first, second in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)


def _items() -> Sequence[ItemLike]:
    from agent.data.dataset import load_dataset

    return Catalogue(load_dataset("ml-100k")).items


def test_the_loss_is_log_loss_plus_pairs_within_a_slate() -> None:
    logits = torch.tensor([0.3, -0.2, 1.1, 0.4])
    stars = torch.tensor([5.0, 3.0, 4.0, 4.0])
    slate = torch.tensor([0, 0, 1, 1])
    point = float(log_loss([1, 0, 1, 1], expit(logits.numpy())))
    pair = math.log1p(math.exp(-0.5))  # only the first slate has a pair with different stars
    assert reward_loss(logits, stars, slate, 0.0).item() == pytest.approx(point, rel=1e-5)
    assert reward_loss(logits, stars, slate, 0.5).item() == pytest.approx(point + 0.5 * pair, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_makes_probabilities_true(kind: Kind) -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 1.2, 8000)
    likes = rng.random(8000) < expit(truth)
    stretched = 3 * truth
    fitted = Calibration.fit(kind, stretched[:4000], likes[:4000])
    probabilities = fitted(stretched[4000:])
    assert calibration_error(expit(stretched[4000:]), likes[4000:]) > 0.08
    assert calibration_error(probabilities, likes[4000:]) < 0.03
    assert (np.diff(fitted(np.linspace(-9, 9, 50))) >= 0).all() and 0 < probabilities.min() < probabilities.max() < 1
    assert TypeAdapter(Calibration).validate_python(json.loads(json.dumps(asdict(fitted)))) == fitted
    with pytest.raises(ValueError, match="all 3 rows have the same answer"):
        Calibration.fit(kind, np.zeros(3), np.ones(3, dtype=bool))


def test_the_calibration_with_the_lowest_out_of_fold_loss_is_chosen() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1, 4000)
    users = [str(k) for k in rng.integers(0, 80, 4000)]
    likes = rng.random(4000) < np.where(logits > 0, 0.9, 0.2)  # a step: no sigmoid fits it
    chosen, tried = choose_calibration(logits, likes, users)
    assert chosen.kind == "isotonic" == min(tried, key=tried.__getitem__)
    with pytest.raises(ValueError, match="unknown calibration 'beta'"):
        Calibration.fit("beta", logits, likes)  # type: ignore[arg-type]


def test_figures_agree_with_their_definitions() -> None:
    scores = np.array([0.9, 0.2, 0.5, 0.5, 0.1, 0.7])
    likes = np.array([True, False, True, False, True, True])
    areas, names = auc_by_group(scores, likes, ["b", "b", "a", "a", "c", "c"])
    assert names == ["a", "b"] and areas.tolist() == [0.5, 1.0]  # c likes everything
    assert roc_auc_score(likes, scores) == pytest.approx(auc_by_group(scores, likes, ["u"] * 6)[0][0])
    probabilities, seen = np.array([0.1, 0.1, 0.8, 0.85]), np.array([False, True, True, True])
    assert calibration_error(probabilities, seen) == pytest.approx((2 * 0.4 + 2 * 0.175) / 4)
    assert [bin_.pairs for bin_ in reliability(probabilities, seen)] == [2, 2]


def test_a_release_has_a_card_with_both_kinds_of_figures(trained: RewardResult, tmp_path: Path) -> None:
    figure = {"auc": 0.75, "ci": {"auc": [0.7, 0.8]}}
    step = {"n": 5, "click_rate": 0.66, "ci": {"click_rate": [0.6, 0.7]}}
    report = {"pairs": 90, "users": 9, "rows": [{"model": "/somewhere/adapter", **figure, "best_of_n": [step]}]}
    folder = release_reward(trained.folder, tmp_path / "released", report, "concierge train reward --max-steps 4")
    text = (folder / "README.md").read_text("utf-8")
    assert "| auc | 0.7500 [0.7000, 0.8000] |" in text and "| click rate, best of 5 | 0.6600 [0.6000, 0.7000] |" in text
    assert "concierge train reward --max-steps 4" in text and "/somewhere" not in text
    assert RewardCard.read(folder) == trained.card
    (folder / ADAPTER_FILE).unlink()
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors is missing"):
        release_reward(folder, tmp_path / "again", report, "")


def test_cards_and_folders_name_their_flaws(
    trained: RewardResult, tmp_path: Path, dataset: Dataset, evidence: PlantedEvidence
) -> None:
    items = Catalogue(dataset).items
    assert RewardCard.read(trained.folder) == trained.card
    with pytest.raises(AdapterError, match=r"weighs evidence \(next_item, .*give `evidence`"):
        RewardModel.load(trained.folder, None, items)
    shutil.copytree(trained.folder, tmp_path / "old")
    card = replace(trained.card, features=(*trained.card.features[1:], "star_sign"))
    card.write(tmp_path / "old")
    with pytest.raises(AdapterError, match="weighs the evidence 'star_sign'"):
        RewardModel.load(tmp_path / "old", None, items, evidence)
    (tmp_path / "old" / "reward.json").write_text('{"version": "x"}')
    with pytest.raises(AdapterError, match=r"reward\.json is not a reward model's card"):
        RewardCard.read(tmp_path / "old")
    with pytest.raises(AdapterError, match=f"--layers 30: the adapter '{RELEASED.name}' has only the first 18"):
        train_reward(tmp_path / "new", rows=_no_rows(), settings=replace(SETTINGS, layers=30))
    assert (trained.folder / ADAPTER_FILE).is_file()


def _no_rows() -> RewardRows:
    stars = tuple(np.array([5.0, 1.0]) for _ in range(5))
    items = tuple(np.array([1, 2]) for _ in range(5))
    evidence = tuple(np.zeros((2, len(FEATURES)), np.float32) for _ in range(5))
    return RewardRows(tuple("abcde"), (State(),) * 5, items, stars, evidence)


def test_slates_of_users_without_evidence_are_left_out(parts: PastAndFuture, evidence: PlantedEvidence) -> None:
    users = parts.past["user"].unique().tolist()[:4]
    few: pd.DataFrame = parts.past[parts.past["user"].isin(users)]
    assert set(build_reward_rows(few, [(evidence, users[:2])]).users) == set(users[:2])
