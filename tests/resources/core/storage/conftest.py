import pytest

from fineline.resources.core.storage.disk import DiskRoot
from support.memory_root import MemoryRoot
from fineline.resources.core.storage.store import Storage


@pytest.fixture(params=["disk", "memory"])
def storage(request, tmp_path):
    """A storage over each kind of root."""
    root = DiskRoot(tmp_path / "root") if request.param == "disk" else MemoryRoot(tmp_path / "copies")
    return Storage(root, tmp_path / "root")


@pytest.fixture
def on_disk(tmp_path):
    """A storage on a disk alone."""
    return Storage(tmp_path / "root")
