"""Answers of a model to prompts, greedy or sampled, the same for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from fineline.resources.models.base.encoding import Messages, encode_conversations, load_tokenizer
from fineline.resources.models.base.folders import stop_token_ids
from fineline.resources.models.base.tasks import Generate, Generated
from fineline.resources.models.worker.protocol import Log

SCHEMA = {"record_id": pl.String, "answer": pl.String, "finished": pl.Boolean}


def load_model(folder: Path) -> Any:
    """A model for inference, in the type that it was saved in, on the GPU if there is one."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def settings(folder: Path, tokenizer: Any, new_tokens: int, temperature: float | None) -> GenerationConfig:
    """Greedy, or plain sampling at a temperature.

    The folder's own top-k, top-p and penalties are not used, so that two models answer under the same rules.
    """
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    return GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=new_tokens,
        eos_token_id=stop_token_ids(folder, tokenizer.eos_token_id),
        pad_token_id=pad_id(tokenizer),
        **({"do_sample": False} if temperature is None else sampling),
    )


def pad_id(tokenizer: Any) -> int:
    """The id that pads short rows. It may be the eos token, since the mask marks padding."""
    return int(tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id)


def left_padded(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, rows × longest row. Generation continues at the right end, so padding is on the left."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def answer_prompts(
    model: Any,
    tokenizer: Any,
    prompts: list[Messages],
    config: GenerationConfig,
    batch_size: int,
    log: Log,
) -> list[tuple[str, bool]]:
    """Answers in the order of the prompts: the text, and whether the model stopped by itself.

    Prompts of similar length share a batch. The first stop token ends an answer, also where it serves as padding.
    """
    encoded = encode_conversations(tokenizer, prompts, generation_prompt=True)
    order = sorted(range(len(encoded)), key=lambda place: (-len(encoded[place]), place))
    stops = set(config.eos_token_id)
    answers: dict[int, tuple[str, bool]] = {}
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        ids, mask = left_padded([encoded[place] for place in places], config.pad_token_id)
        with torch.inference_mode():
            written = model.generate(
                input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
            )
        for place, row in zip(places, written[:, ids.shape[1] :].tolist(), strict=True):
            end = next((at for at, token in enumerate(row) if token in stops), None)
            text = tokenizer.decode(row[:end], skip_special_tokens=True).strip()
            answers[place] = (text, end is not None)
        log(f"answered {len(answers)} of {len(order)} prompts")
    return [answers[place] for place in range(len(order))]


def run(task: Generate, log: Log) -> Generated:
    """Answer every prompt and write the answers as Parquet."""
    folder = Path(task.model)
    tokenizer, model = load_tokenizer(folder), load_model(folder)
    config = settings(folder, tokenizer, task.new_tokens, task.temperature)
    torch.manual_seed(task.seed)
    rows = pl.read_parquet(task.prompts)
    answers = answer_prompts(model, tokenizer, rows["prompt"].to_list(), config, task.batch_size, log)
    columns = {"answer": [text for text, _ in answers], "finished": [finished for _, finished in answers]}
    path = Path(task.output) / "answers.parquet"
    pl.DataFrame({"record_id": rows["record_id"], **columns}, schema=SCHEMA).write_parquet(path)
    return Generated(answers=str(path))
