"""Preparation of a base model: one folder of safetensors, config, tokenizer and chat template."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from fineline.resources.core.recipe.models import BaseModelSource, FolderModel, HubModel, PackagedModel
from fineline.resources.models.base.checks import check_folder, check_tokenizer, gguf_file
from fineline.resources.models.base.encoding import load_tokenizer
from fineline.resources.models.base.folders import model_config, weights_sha256
from fineline.resources.models.base.tasks import PrepareBase, PreparedBase
from fineline.resources.models.worker.protocol import Log, ModelError

PROBE = "Straße, naïve façade:\n\tx = 3.14  # two  spaces"


def load(source: BaseModelSource, dtype: torch.dtype) -> tuple[Any, Any]:
    """The model and tokenizer of a source; weights in pickles are never read.

    Raises:
        ModelError: the source is incomplete; the message names what is missing.
    """
    match source:
        case PackagedModel():
            path = gguf_file(source)
            # Without dequantize=True the model generates, but can be neither saved nor trained
            options: dict[str, Any] = {"gguf_file": path.name}
            model = AutoModelForCausalLM.from_pretrained(
                path.parent, **options, quantization_config=GgufConfig(dequantize=True), dtype=dtype
            )
            return model, AutoTokenizer.from_pretrained(path.parent, **options)
        case FolderModel():
            check_folder(source.path)
            model = AutoModelForCausalLM.from_pretrained(source.path, dtype=dtype, use_safetensors=True)
            return model, AutoTokenizer.from_pretrained(source.path)
        case HubModel():
            options = {"revision": source.revision}
            try:
                model = AutoModelForCausalLM.from_pretrained(source.id, **options, dtype=dtype, use_safetensors=True)
                return model, AutoTokenizer.from_pretrained(source.id, **options)
            except OSError as error:  # what transformers raises for no connection, no such model, no weights
                raise ModelError(
                    f"The base model {source.id!r} could not be fetched: {str(error).splitlines()[0]}",
                    "Check the id, the connection and HF_TOKEN, or use kind: folder with a downloaded copy.",
                ) from error


def run(task: PrepareBase, log: Log) -> PreparedBase:
    """Load the source, check that it can be trained, and save it into ``output/model``."""
    source = task.source
    name = {"package": "package", "hub": "id", "folder": "path"}[source.kind]
    log(f"loading the base model from {source.kind} {source.model_dump(mode='json')[name]}")
    model, tokenizer = load(source, getattr(torch, task.dtype))
    check_tokenizer("the base model", chat_template=tokenizer.chat_template, eos_token=tokenizer.eos_token)
    folder = Path(task.output) / "model"
    model.generation_config.eos_token_id = model.generation_config.eos_token_id or tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if load_tokenizer(folder)(PROBE)["input_ids"] != tokenizer(PROBE)["input_ids"]:
        raise ModelError(
            "The base model's tokenizer gives other tokens after it was saved, so counts would not hold.",
            "Use a base model with a tokenizer.json.",
        )
    config = model_config(folder)
    log(f"saved {model.num_parameters():,} parameters as {task.dtype}")
    return PreparedBase(
        name=source.title,
        folder=str(folder),
        parameters=model.num_parameters(),
        vocabulary=config["vocab_size"],
        context_length=config["max_position_embeddings"],
        chat_template_sha256=hashlib.sha256(tokenizer.chat_template.encode()).hexdigest(),
        eos_token=tokenizer.eos_token,
        licence=source.licence,
        weights_sha256=weights_sha256(folder),
    )
