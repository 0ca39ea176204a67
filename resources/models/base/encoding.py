"""Encoding of rows as token ids, exactly as TRL's trainers do it, but in batches. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

Messages = Sequence[dict[str, str]]


@dataclass(frozen=True)
class Encoded:
    """A row's token ids, of which those from ``start`` on are trained."""

    ids: list[int]
    start: int

    @property
    def trained(self) -> list[int]:
        """The ids that count in the loss."""
        return self.ids[self.start :]


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a prepared folder. AutoTokenizer would choose the same class, but imports torch."""
    return PreTrainedTokenizerFast.from_pretrained(folder)


def common_prefix(first: list[int], second: list[int]) -> int:
    """The number of leading ids that two sequences share: TRL's rule for where the completion starts."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def encode_conversations(
    tokenizer: Any, conversations: Sequence[Messages], *, generation_prompt: bool
) -> list[list[int]]:
    """Token ids of conversations as the tokenizer's chat template writes them, with its special tokens."""
    if not conversations:
        return []
    texts = tokenizer.apply_chat_template(
        [list(messages) for messages in conversations], tokenize=False, add_generation_prompt=generation_prompt
    )
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return ids


def encode_pairs(tokenizer: Any, prompts: list[Messages], completions: list[Messages]) -> list[Encoded]:
    """Prompt-completion rows as TRL's SFTTrainer encodes them.

    The completion starts where the tokens of the whole differ from those of the prompt with its generation prompt.
    """
    both = [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]
    opened = encode_conversations(tokenizer, prompts, generation_prompt=True)
    whole = encode_conversations(tokenizer, both, generation_prompt=False)
    return [Encoded(ids, common_prefix(start, ids)) for start, ids in zip(opened, whole, strict=True)]


def encode_texts(tokenizer: Any, texts: list[str]) -> list[Encoded]:
    """Plain texts as TRL's SFTTrainer encodes them: the eos token at the end, every token trained."""
    eos = tokenizer.eos_token
    ended = [text if text.endswith(eos) else text + eos for text in texts]
    return [Encoded(ids, 0) for ids in tokenizer(ended)["input_ids"]]
