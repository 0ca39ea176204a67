import shutil

import pytest
from support.storage import make_small_storage

from fineline.resources.core.storage.store import Storage


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    return make_small_storage(tmp_path_factory.mktemp("whole") / "root")


@pytest.fixture
def storage(whole, tmp_path):
    """A storage in which every promise is held, to be spoilt."""
    shutil.copytree(whole.local.folder, tmp_path / "root")
    return Storage(tmp_path / "root")
