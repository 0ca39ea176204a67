"""Facts of a prepared model folder, read from its files. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any


def weights_sha256(folder: Path) -> str:
    """Hash of all safetensors files of a folder, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def count_parameters(folder: Path) -> int:
    """Numbers in all tensors of a folder, from the headers of its safetensors files."""
    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(length))
        total += sum(math.prod(t["shape"]) for name, t in header.items() if name != "__metadata__")
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


def template_sha256(template: str) -> str:
    """Hash of a chat template."""
    return hashlib.sha256(template.encode()).hexdigest()
