"""Facts of a prepared model folder, read from its files. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from fineline.resources.core.storage.files import file_digest


def weights_sha256(folder: Path) -> str:
    """Hash of all safetensors files of a folder, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(bytes.fromhex(file_digest(path)))
    return digest.hexdigest()


def count_parameters(folder: Path) -> int:
    """Numbers in all tensors of a folder, from the headers of its safetensors files."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as file:
            total += sum(math.prod(file.get_slice(name).get_shape()) for name in file.offset_keys())
    return total


def model_config(folder: Path) -> dict[str, Any]:
    """The model's config.json; of a multimodal model, its text part."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    text: dict[str, Any] = config.get("text_config", config)
    return text


def stop_token_ids(folder: Path, eos_token_id: int) -> list[int]:
    """Ids that end generation: the tokenizer's eos token and those of generation_config.json."""
    path = folder / "generation_config.json"
    given = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
    others = given if isinstance(given, list) else [] if given is None else [given]
    return sorted({eos_token_id, *others})
