"""The whole path of `concierge train language`: rows from the catalogue, fine-tuning, adapter folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file

from agent.catalogue.catalogue import Catalogue
from agent.data.assets import resolve_model
from agent.data.dataset import load_dataset
from agent.generation.language_card import LANGUAGE_FILE, LanguageCard
from agent.policy.item_lm import ADAPTER_FILE, best_device, load_base
from training.adapter import check_size, sha256
from training.checkpoints import last_checkpoint
from training.language.rewording import vocabulary
from training.language.rows import LanguagePlan, build_language_rows
from training.language.trainer import LanguageSettings, train_adapter
from training.release import TRAINING_FILE

Report = Callable[[str, int, int], None]
FILES = (ADAPTER_FILE, "adapter_config.json", LANGUAGE_FILE, TRAINING_FILE)


@dataclass(frozen=True)
class LanguageResult:
    """What a run leaves: the adapter folder, its card, and the figures of the run for the model card."""

    folder: Path
    card: LanguageCard
    figures: dict[str, Any]


def train_language(
    output: Path,
    data: str = "ml-100k",
    model: str | None = None,
    settings: LanguageSettings | None = None,
    plan: LanguagePlan | None = None,
    version: str = "language",
    report: Report = lambda what, done, of: None,
    resume: bool = False,
) -> LanguageResult:
    """Train the language adapter on text made from a catalogue, and write it to ``output / "adapter"``.

    Raises:
        AssetError, ValueError: the data set or the model is missing or does not fit; the message says what to do.
    """
    settings, plan = settings or LanguageSettings(), plan or LanguagePlan()
    rows = build_language_rows(Catalogue(load_dataset(data)), plan)
    base = resolve_model(model)
    network, tokenizer = load_base(base, device=best_device())
    before = last_checkpoint(output) if resume else None
    done = int(before.name.rpartition("-")[2]) if before else 0
    started = time.perf_counter()
    trainer = train_adapter(network, tokenizer, rows, settings, output, report, resume)
    seconds = time.perf_counter() - started
    folder = output / "adapter"
    card = write_language_adapter(folder, trainer.model, Path(base), version)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    seen = trainer.state.global_step * settings.batch
    figures = {
        "data": data,
        "rows": len(rows),
        "samples_seen": seen,
        "steps": trainer.state.global_step,
        "seconds_training": round(seconds, 1),
        "samples_per_second": round((seen - done * settings.batch) / seconds, 2),
        "first_loss": losses[0] if losses else None,
        "last_loss": losses[-1] if losses else None,
        "settings": asdict(settings),
        "plan": asdict(plan),
        "device": str(trainer.args.device),
        "torch": torch.__version__,
    }
    (folder / TRAINING_FILE).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return LanguageResult(folder, card, figures)


def write_language_adapter(folder: Path, model: Any, base_folder: Path, version: str) -> LanguageCard:
    """Write the LoRA of a PEFT model (float16), its configuration and the card; plain PEFT can load the folder.

    Raises:
        ValueError: the adapter is larger than 16 MiB (lower the LoRA rank, or tune fewer layers).
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    half = {name: tensor.detach().cpu().to(torch.float16).contiguous() for name, tensor in state.items()}
    save_file(half, folder / ADAPTER_FILE, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    config.update(
        base_model_name_or_path=base_folder.name,
        inference_mode=True,
        target_modules=sorted(config["target_modules"]),
    )
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, default=str) + "\n", encoding="utf-8")
    card = LanguageCard(version, base_folder.name, sha256(base_folder / "model.safetensors"), vocabulary())
    card.write(folder)
    check_size(folder)
    return card
