import pytest
from support.memory_root import MemoryRoot

from fineline.resources.core.storage.store import Storage


@pytest.fixture(params=["disk", "memory"])
def storage(request, tmp_path):
    """A storage over each kind of root."""
    return Storage(tmp_path / "root", MemoryRoot(tmp_path / "copies") if request.param == "memory" else None)


@pytest.fixture
def on_disk(tmp_path):
    """A storage on a disk alone."""
    return Storage(tmp_path / "root")
