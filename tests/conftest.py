import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora, which are never copied into the project."""
    default = Path(__file__).resolve().parent.parent.parent / "shared"
    folder = Path(os.environ.get("FINELINE_SHARED", default)) / "data"
    if not folder.is_dir():
        pytest.skip(f"real corpora are not at {folder}; FINELINE_SHARED names their folder")
    return folder
