import json
import shutil

import dataframely as dy
import polars as pl
import pytest
from support.storage import (
    CONTRACTS,
    LONG,
    make_small_storage,
    read,
    write,
    write_curated,
    write_dataset,
    write_ledger,
    write_splits,
)

from fineline.data_contracts.audit import AuditFinding
from fineline.data_contracts.models import HeldOutLoss
from fineline.resources.core.keys import PseudonymKey
from fineline.resources.core.recipe.recipe import Recipe
from fineline.resources.core.storage.store import Manifest, Storage
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table
from fineline.resources.governance.audit import measures, tables
from fineline.resources.governance.audit.evidence import Evidence, Finding, NotCheckable, NothingThere
from fineline.resources.governance.audit.promises import PROMISES, audit
from fineline.resources.governance.forgetting import tombstones
from fineline.resources.models.release.package import assemble

RECIPE = Recipe.model_validate(
    {
        "name": "small",
        "sources": [{"name": "notes", "kind": "files", "path": "notes", "licence": "CC0-1.0"}],
        "scrub": {"entities": ["EMAIL_ADDRESS", "SECRET"], "canaries_per_entity": 2, "workers": 1},
        "datasets": {"sft": {}},
        "training": {"stages": [{"method": "sft"}]},
        "decontaminate": {"ngram": 5},
    }
)
KEY = PseudonymKey(b"k" * 32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_small_storage(tmp_path_factory.mktemp("whole") / "root")


@pytest.fixture
def storage(whole, tmp_path):
    """A storage in which every promise is held, to be spoilt."""
    shutil.copytree(whole.root, tmp_path / "root")
    return Storage(tmp_path / "root")


def edit_manifest(storage, asset, batch=None, **values):
    path = storage.folder(asset, batch) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def rewrite(path, content):
    path.unlink()
    path.write_bytes(content)


def checked_files(storage):
    stored = Evidence(storage)
    tables.files(stored)
    return stored


def test_a_whole_storage_holds_every_promise_that_it_can(storage):
    found = audit(storage, RECIPE, CONTRACTS, KEY)
    assert AuditFinding.validate(found).height == len(PROMISES)
    states = {state: part["promise"].to_list() for (state,), part in found.group_by("state", maintain_order=True)}
    assert set(states) == {"held", "nothing_there"}
    assert states["nothing_there"] == ["release_has_evidence", "forgotten_stays_forgotten"]


def test_an_audit_of_nothing_finds_nothing_there(tmp_path):
    tables_only = audit(Storage(tmp_path), RECIPE, CONTRACTS, KEY).filter(
        pl.col("promise") != "personal_data_stays_replaced"
    )
    assert set(tables_only["state"]) == {"nothing_there"}


def test_an_audit_changes_nothing_that_is_stored(storage):
    before = {path: path.read_bytes() for path in (storage.root / "assets").rglob("*") if path.is_file()}
    audit(storage, RECIPE, CONTRACTS, KEY)
    assert {path: path.read_bytes() for path in (storage.root / "assets").rglob("*") if path.is_file()} == before


def test_what_a_run_commits_during_an_audit_does_not_look_damaged(storage):
    def commit_once(said):
        if said.startswith("files_are_whole"):
            write(storage, "raw_corpus", read(storage, "raw_corpus", "notes/1").head(5), "notes/1")

    found = audit(storage, RECIPE, CONTRACTS, KEY, log=commit_once)
    assert found.filter(pl.col("state").is_in(["broken", "not_checked"])).is_empty()


def test_a_changed_file_is_named_and_what_needs_it_is_not_said_to_hold(storage):
    path = storage.file(storage.require("splits"), "data")
    rewrite(path, path.read_bytes()[:-1] + b"x")
    stored = Evidence(storage)
    assert tables.files(stored) == Finding(39, 1, f"splits: {path.name} was changed")
    with pytest.raises(NotCheckable, match="splits is damaged"):
        measures.leaks(stored, RECIPE)


def test_a_missing_file_is_named(storage):
    path = storage.file(storage.require("sft_dataset"), "train")
    path.unlink()
    stored = Evidence(storage)
    found = tables.files(stored)
    assert (found.failures, found.detail) == (1, f"sft_dataset: {path.name} is missing")
    with pytest.raises(NotCheckable, match="sft_dataset is damaged"):
        tables.exports(stored)


def test_a_changed_export_is_named(storage):
    path = storage.file(storage.require("sft_dataset"), "train")
    rewrite(path, b"{}\n")
    assert tables.files(Evidence(storage)).detail == f"sft_dataset: {path.name} was changed"


def test_a_manifest_that_cannot_be_read_is_named(storage):
    (storage.folder("splits") / "manifest.json").write_text("{")
    found = tables.files(Evidence(storage))
    assert (found.failures, found.detail) == (1, "splits: its manifest cannot be read")


def test_a_changed_model_folder_is_noticed(storage):
    with storage.new_folder("sft_model") as folder:
        (folder / "merged").mkdir()
        (folder / "merged" / "weights").write_bytes(b"1")
        manifest = Manifest(
            asset="sft_model", batch=None, data_version="", code_version="1", inputs={}, files={}, run_id="r"
        )
        manifest = storage.commit_folder(manifest, folder, {"model": "merged"})
    assert tables.files(Evidence(storage)).failures == 0
    assert tables.versions(Evidence(storage)).failures == 0
    (storage.file(manifest, "model") / "weights").write_bytes(b"2")
    assert "content-" in tables.files(Evidence(storage)).detail


def test_a_data_version_that_is_not_of_the_bytes_is_named(storage):
    edit_manifest(storage, "sft_dataset", data_version="0" * 16)
    found = tables.versions(checked_files(storage))
    assert found.failures == 1
    assert found.detail.startswith("sft_dataset;")


def test_what_is_behind_its_inputs_is_named_and_breaks_nothing(storage):
    write(storage, "raw_corpus", read(storage, "raw_corpus", "notes/1").head(5), "notes/1")
    found = tables.versions(checked_files(storage))
    assert found.failures == 0
    assert "behind their inputs: record_ledger; scrubbed_corpus[notes/1]" in found.detail
    with pytest.raises(NotCheckable, match=r"record_ledger is behind raw_corpus\[notes/1\]; make it again"):
        Evidence(storage).current("record_ledger")


@pytest.mark.parametrize("count", ["rows", "dropped", "rows_in"])
def test_a_count_that_is_not_that_of_the_table_is_noticed(storage, count):
    edit_manifest(storage, "curated_corpus", **{count: 7})
    assert tables.accounted(Evidence(storage)).failures > 0


def test_a_row_that_vanished_between_arrival_and_ledger_is_noticed(storage):
    write(storage, "record_ledger", read(storage, "record_ledger").head(-1), rows_in=41)
    found = tables.accounted(Evidence(storage))
    assert "record_ledger: 1 missing" in found.detail
    assert found.failures == 2, "the row, and the entry that a ledger built anew has"


def test_a_ledger_that_tells_another_place_is_noticed(storage):
    moved = read(storage, "record_ledger").with_columns(place=pl.lit("splits/train"))
    write(storage, "record_ledger", moved)
    assert "entries unlike the rebuilt ones" in tables.accounted(Evidence(storage)).detail


def test_rows_that_break_their_contract_are_counted_by_rule(storage):
    class Stricter(CONTRACTS["curated_corpus"]):
        @dy.rule()
        def is_of_the_first_batch(cls) -> pl.Expr:
            """Twenty-one of the records are not, and one of these is a duplicate."""
            return pl.col("batch") == "notes/1"

    found = tables.contracts(Evidence(storage), {**CONTRACTS, "curated_corpus": Stricter})
    assert 20 <= found.failures <= 21
    assert found.detail == f"curated_corpus: {found.failures} rows of data break is_of_the_first_batch"


def test_a_table_without_a_column_of_its_contract_is_noticed(storage):
    found = tables.contracts(Evidence(storage), {**CONTRACTS, "splits": CONTRACTS["sft_dataset"]})
    assert "splits: 41 rows of data break no column label" in found.detail


def test_personal_data_that_came_through_is_counted_and_not_shown(storage):
    curated = read(storage, "curated_corpus").with_row_index()
    mail = pl.lit([{"role": "assistant", "content": "Ask margaret.thompson@example.org about it."}])
    completion = pl.when(pl.col("index") < 2).then(mail).otherwise(pl.col("completion"))
    spoilt = curated.with_columns(completion=completion.cast(curated.schema["completion"])).drop("index")
    write_curated(storage, spoilt, pl.DataFrame(schema={"record_id": str, "source": str, "batch": str, "reason": str}))
    found = measures.scrubbed(Evidence(storage), RECIPE, KEY)
    assert found.failures == 2
    assert "2 EMAIL_ADDRESS in 41 curated records" in found.detail
    assert "thompson" not in found.detail


def test_a_scrubber_that_no_longer_finds_planted_values_breaks_the_promise(storage, monkeypatch):
    monkeypatch.setattr("fineline.resources.data.scrubbing.canaries.survives", lambda *_: True)
    found = measures.scrubbed(Evidence(storage), RECIPE, KEY)
    assert found.failures == 4
    assert found.detail.startswith("0.0% of 4 planted values are replaced")


def test_a_record_that_was_removed_without_a_similar_one_is_noticed(storage):
    clusters = read(storage, "duplicate_clusters")
    near = pl.col("reason") == "near_duplicate"
    removed = clusters.filter(near)
    other = clusters.filter("representative").join(removed, on="cluster", how="anti").row(0, named=True)
    moved = pl.when(near).then(pl.lit(other["cluster"])).otherwise(pl.col("cluster"))
    family = pl.when(near).then(pl.lit(other["family"])).otherwise(pl.col("family"))
    write(storage, "duplicate_clusters", clusters.with_columns(cluster=moved, family=family))
    assert measures.duplicates(Evidence(storage), RECIPE).failures == 1


def test_a_record_that_moved_from_train_to_test_is_noticed(storage):
    assignment, memory = read(storage, "splits"), read(storage, "splits", role="history")
    other = {"train": "test", "test": "train", "validation": "validation"}
    swapped = assignment.with_columns(
        split=pl.col("split").cast(pl.String).replace(other).cast(assignment.schema["split"])
    )
    write_splits(storage, swapped, memory)
    found = measures.leaks(Evidence(storage), RECIPE)
    assert found.detail == f"{found.failures} moved"


def test_near_duplicates_and_prompts_that_cross_splits_are_noticed(storage):
    curated = read(storage, "curated_corpus")
    same = pl.lit([{"role": "user", "content": f"Say: {LONG}?"}]).cast(curated.schema["prompt"])
    write_curated(
        storage,
        curated.with_columns(prompt=same),
        pl.DataFrame(schema={"record_id": str, "source": str, "batch": str, "reason": str}),
    )
    write_splits(storage, read(storage, "splits"), read(storage, "splits", role="history"))
    found = measures.leaks(Evidence(storage), RECIPE)
    assert "1 prompts" in found.detail
    assert "24 repeated prompts" in found.detail


@pytest.mark.parametrize("change", ["line", "missing", "twice"])
def test_an_export_that_is_not_its_table_is_noticed(storage, change):
    path = storage.file(storage.require("sft_dataset"), "test")
    lines = path.read_bytes().splitlines(keepends=True)
    changed = {
        "line": [b'{"prompt": [], "completion": []}\n', *lines[1:]],
        "missing": lines[1:],
        "twice": lines + lines[:1],
    }
    rewrite(path, b"".join(changed[change]))
    found = tables.exports(Evidence(storage))
    assert found.failures == 1
    assert "lines of test differ from its table" in found.detail


def test_an_export_with_other_columns_is_noticed(storage):
    rewrite(storage.file(storage.require("sft_dataset"), "test"), b'{"text": "other"}\n')
    assert "test has other columns" in tables.exports(Evidence(storage)).detail


def test_the_order_of_an_exports_lines_makes_no_difference(storage):
    path = storage.file(storage.require("sft_dataset"), "train")
    rewrite(path, b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
    assert tables.exports(Evidence(storage)).failures == 0


def forget(storage, *record_ids, key=KEY):
    tombstones.add(storage, tombstones.of_records(key, "request-1", record_ids))


def test_tombstones_of_another_key_recognise_nothing_and_that_is_said(storage):
    forget(storage, "f" * 32, key=PseudonymKey(b"o" * 32))
    with pytest.raises(NotCheckable, match="under another pseudonym key"):
        tables.forgotten(Evidence(storage), KEY)


def test_a_forgotten_record_that_is_still_there_is_counted_by_table(storage):
    forget(storage, read(storage, "raw_corpus", "notes/1")["record_id"][0])
    found = tables.forgotten(Evidence(storage), KEY)
    assert found.failures >= 6
    assert "duplicate_clusters: 1 rows of data" in found.detail


def test_forgotten_records_that_are_gone_break_nothing(storage):
    forget(storage, "f" * 32)
    assert tables.forgotten(Evidence(storage), KEY).failures == 0


@pytest.fixture
def released(storage, tmp_path):
    """A release whose model is better by one nat a token on forty records."""
    for name in ("merged", "adapter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(name.encode())
    losses = pl.DataFrame(
        [
            {
                "record_id": f"{n:032x}",
                "model": model,
                "source": "notes",
                "label": None,
                "answer_tokens": 9,
                "loss": loss + n % 5,
            }
            for n in range(40)
            for model, loss in (("base_model", 2.0), ("unigram", 4.0), ("sft_model", 1.0))
        ]
    )
    commit(storage, "sft_model", tmp_path / "merged", {"model": "merged"})
    store_losses(storage, losses)
    with storage.new_folder("release") as folder:
        assemble(
            storage.file(storage.require("sft_model"), "model"), tmp_path / "adapter", "card", {}, folder / "release"
        )
        versions = {name: storage.require(name).data_version for name in ("sft_model", "evaluation")}
        manifest = Manifest(
            asset="release", batch=None, data_version="", code_version="1", inputs=versions, files={}, run_id="r"
        )
        storage.commit_folder(manifest, folder, {"release": "release"})
    return storage, losses


def commit(storage, asset, source, parts):
    with storage.new_folder(asset) as folder:
        shutil.copytree(source, folder / "merged")
        manifest = Manifest(asset=asset, batch=None, data_version="", code_version="1", inputs={}, files={}, run_id="r")
        storage.commit_folder(manifest, folder, parts)


def store_losses(storage, losses):
    write_table(
        storage,
        "evaluation",
        None,
        TableOutput(losses, losses.height),
        HeldOutLoss,
        Origin("1", {}, "r"),
        maximum_quarantine=0,
    )


def test_a_release_with_its_checksums_its_weights_and_its_evidence_holds(released):
    found = measures.release(Evidence(released[0]), RECIPE)
    assert (found.failures, found.detail) == (0, "4 files with their checksums")


def test_a_changed_file_of_a_release_is_named(released):
    storage, _ = released
    (storage.file(storage.require("release"), "release") / "README.md").write_text("better")
    found = measures.release(Evidence(storage), RECIPE)
    assert found.failures == 1
    assert "README.md was changed" in found.detail


def test_a_release_without_checksums_is_noticed(released):
    storage, _ = released
    (storage.file(storage.require("release"), "release") / "SHA256SUMS").unlink()
    assert measures.release(Evidence(storage), RECIPE).failures == 1


def test_losses_that_no_longer_show_that_it_is_better_are_noticed(released):
    storage, losses = released
    worse = pl.when(pl.col("model") == "sft_model").then(pl.col("loss") + 9).otherwise(pl.col("loss"))
    store_losses(storage, losses.with_columns(loss=worse))
    version = storage.require("evaluation").data_version
    edit_manifest(storage, "release", inputs={**storage.require("release").inputs, "evaluation": version})
    found = measures.release(Evidence(storage), RECIPE)
    assert "the stored losses do not show that it is better" in found.detail


def test_weights_that_are_not_those_that_were_tested_are_noticed(released, tmp_path):
    storage, _ = released
    (tmp_path / "merged" / "model.safetensors").write_bytes(b"other")
    commit(storage, "sft_model", tmp_path / "merged", {"model": "merged"})
    version = storage.require("sft_model").data_version
    edit_manifest(storage, "release", inputs={**storage.require("release").inputs, "sft_model": version})
    assert "model.safetensors is not the file that was tested" in measures.release(Evidence(storage), RECIPE).detail


def test_a_release_of_an_earlier_model_keeps_its_checksums_and_says_so(released, tmp_path):
    storage, _ = released
    (tmp_path / "merged" / "model.safetensors").write_bytes(b"other")
    commit(storage, "sft_model", tmp_path / "merged", {"model": "merged"})
    found = measures.release(Evidence(storage), RECIPE)
    assert (found.failures, found.checked) == (0, 4)
    assert "its evidence was not checked: release is behind sft_model" in found.detail


def test_what_was_made_by_other_code_or_another_recipe_is_not_measured_by_todays(storage):
    found = audit(storage, RECIPE, CONTRACTS, KEY, {"minhash_signatures": "2", "scrubbed_corpus": "2"})
    late = found.filter(state="not_checked")
    assert late["promise"].to_list() == [
        "rows_are_accounted_for",
        "personal_data_stays_replaced",
        "duplicates_stay_verified",
        "splits_do_not_leak",
    ]
    assert "the code or the recipe of minhash_signatures[notes/1] changed" in late["detail"][3]
    assert found.filter(state="broken").is_empty()


def test_what_was_not_made_is_not_there(storage):
    (storage.folder("splits") / "manifest.json").unlink()
    with pytest.raises(NothingThere, match="splits is not made"):
        measures.leaks(Evidence(storage), RECIPE)


def test_the_helpers_give_the_same_tables_again(storage):
    before = storage.require("record_ledger").data_version, storage.require("sft_dataset").data_version
    write_ledger(storage)
    write_dataset(storage)
    assert (storage.require("record_ledger").data_version, storage.require("sft_dataset").data_version) == before
