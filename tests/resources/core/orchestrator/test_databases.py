import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from fineline.resources.core.orchestrator.databases import prepare_databases
from fineline.resources.core.storage.disk import DiskRoot


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dagster").mkdir()
    return DiskRoot(tmp_path)


def opened(root):
    return dg.DagsterInstance.from_config(str(root.path("dagster")))


# The first tables of the index, a table without its index, and the last marks; by Fineline also the schedules.
@pytest.mark.outcome(
    "killed",
    "a kill while Dagster's databases are created",
    "they are made aside and put in place whole; a damaged one is set aside",
)
@pytest.mark.parametrize(("maker", "steps"), [("dagster", ["95", "107", "127"]), ("fineline", ["107", "160"])])
def test_databases_whose_creation_was_killed_are_made_whole(tmp_path, maker, steps):
    program = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("creation.py")), maker, str(tmp_path)]
    done = subprocess.run([*program, *steps], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_dagster_recorded_before_stays(root):
    with opened(root) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("rows"))
    for _ in range(2):
        assert prepare_databases(root) == []
        with opened(root) as instance:
            assert len(instance.fetch_materializations(dg.AssetKey("rows"), limit=5).records) == 1


@pytest.mark.parametrize("damage", [b"", b"no database at all", b"SQLite format 3\0" + b"\1" * 9_000])
def test_a_damaged_database_is_set_aside_with_its_folder(root, damage):
    prepare_databases(root)
    with opened(root) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("rows"))
    index = root.path("dagster/history/runs/index.db")
    index.write_bytes(damage + index.read_bytes()[len(damage) + 4_096 :] if damage else damage)
    assert prepare_databases(root) == ["history"]
    assert root.path("dagster/history.damaged/runs/index.db").read_bytes().startswith(damage)
    assert prepare_databases(root) == []
    with opened(root) as instance:
        instance.add_dynamic_partitions("batches", ["a"])


def test_what_was_set_aside_before_stays_beside_what_is_set_aside_later(root):
    index = root.path("dagster/history/runs/index.db")
    for number in range(3):
        prepare_databases(root)
        index.write_bytes(b"no database, but %d" % number)
        assert prepare_databases(root) == ["history"]
    kept = [
        root.path(f"dagster/{name}/runs/index.db").read_bytes()
        for name in sorted(root.names("dagster"))
        if "damaged" in name
    ]
    assert kept == [b"no database, but %d" % number for number in range(3)]


def test_a_user_may_keep_them_elsewhere(root):
    root.path("dagster/dagster.yaml").write_text("storage: {sqlite: {base_dir: /somewhere/else}}")
    assert prepare_databases(root) == []
    assert root.names("dagster") == ["dagster.yaml"]
