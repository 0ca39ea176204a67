import os
import stat
import threading
from dataclasses import replace

import pytest

from fineline.data_contracts import catalog
from fineline.resources.core.keys import PseudonymKey, load_key, stored_key
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.disk import DiskRoot
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.store import Storage
from fineline.resources.planning.inputs import inputs_now


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FINELINE_PSEUDONYM_KEY", raising=False)


def test_the_first_use_makes_a_key_that_only_its_owner_reads_and_the_next_finds_it(tmp_path) -> None:
    root = DiskRoot(tmp_path / "home" / "recipe")
    assert stored_key(root) is None
    first = load_key(root)
    path = root.path("pseudonym.key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(root).fingerprint == first.fingerprint


def test_two_storage_roots_have_different_keys(tmp_path) -> None:
    assert load_key(DiskRoot(tmp_path / "a")).fingerprint != load_key(DiskRoot(tmp_path / "b")).fingerprint


def test_the_environment_comes_first_and_no_file_is_made(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINELINE_PSEUDONYM_KEY", "0123456789abcdef" * 2)
    assert load_key(DiskRoot(tmp_path)).fingerprint == PseudonymKey(b"0123456789abcdef" * 2).fingerprint
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_could_be_guessed_is_refused_without_being_shown(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINELINE_PSEUDONYM_KEY", "opensesame")
    with pytest.raises(StorageError, match=r"FINELINE_PSEUDONYM_KEY has fewer than 32.*openssl rand") as refused:
        load_key(DiskRoot(tmp_path))
    assert "opensesame" not in str(refused.value)


def test_a_key_file_that_others_may_read_is_refused(tmp_path) -> None:
    load_key(DiskRoot(tmp_path))
    os.chmod(tmp_path / "pseudonym.key", 0o644)
    with pytest.raises(StorageError, match="chmod 600"):
        load_key(DiskRoot(tmp_path))


def test_processes_that_start_together_get_one_key(tmp_path) -> None:
    prints: list[str] = []
    root = DiskRoot(tmp_path)
    threads = [threading.Thread(target=lambda: prints.append(load_key(root).fingerprint)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(prints) == 16
    assert len(set(prints)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["locks", "pseudonym.key"]


def test_what_a_key_shows_of_itself_is_its_fingerprint() -> None:
    key = PseudonymKey(b"a secret of thirty-two characters")
    assert repr(key) == f"PseudonymKey({key.fingerprint})"
    assert key.fingerprint != PseudonymKey(b"another one").fingerprint


def test_parts_of_what_is_hashed_are_kept_apart() -> None:
    key = PseudonymKey(b"k")
    assert key.digest("ab", "c") != key.digest("a", "bc")


def test_the_key_belongs_to_what_scrubbed_records_are_made_from_and_to_nothing_else(tmp_path) -> None:
    recipe = Recipe.model_validate({"name": "keyed", "sources": [{"name": "docs", "kind": "python_docs"}]})

    def inputs(asset: str) -> dict[str, str]:
        return inputs_now(
            Storage(tmp_path), recipe, replace(catalog.entry(asset), upstream=()), None, [], Storage(tmp_path).manifest
        )

    assert inputs("scrubbed_corpus") == {}
    key = load_key(DiskRoot(tmp_path))
    assert inputs("scrubbed_corpus")["pseudonym key"] == key.fingerprint
    assert inputs("splits") == {}
    (tmp_path / "pseudonym.key").unlink()
    load_key(DiskRoot(tmp_path))
    assert inputs("scrubbed_corpus")["pseudonym key"] != key.fingerprint
