"""The tiny model as a fixture; a conftest.py that wants it imports it from here."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the random tiny model and its tokenizer. Tests do not write into it."""
    import torch
    from support.tiny_model import make_tiny_model

    torch.set_num_threads(1)  # for a model this small a second thread only waits
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_model(folder)
    return folder
