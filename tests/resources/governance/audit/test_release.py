import shutil

import polars as pl
import pytest
from support.audited import commit_folder, edit_manifest, evidence

from fineline.data_contracts.models import HeldOutLoss
from fineline.resources.core.storage.tables import Origin, TableOutput, write_table
from fineline.resources.governance.audit import measures
from fineline.resources.models.release.package import assemble


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
    commit_model(storage, tmp_path / "merged")
    store_losses(storage, losses)
    weights = storage.file(storage.require("sft_model"), "model")
    versions = {name: storage.require(name).data_version for name in ("sft_model", "evaluation")}

    def make(folder):
        assemble(weights, tmp_path / "adapter", "card", {}, folder / "release")

    commit_folder(storage, "release", make, versions, release="release")
    return storage, losses


def commit_model(storage, weights):
    commit_folder(storage, "sft_model", lambda folder: shutil.copytree(weights, folder / "merged"), model="merged")


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
    found = measures.release_has_evidence(evidence(released[0]))
    assert (found.failures, found.detail) == (0, "5 files with their checksums")


def test_a_changed_file_of_a_release_is_named(released):
    storage, _ = released
    (storage.file(storage.require("release"), "release") / "README.md").write_text("better")
    found = measures.release_has_evidence(evidence(storage))
    assert found.failures == 1
    assert "README.md was changed" in found.detail


def test_a_release_without_checksums_is_noticed(released):
    storage, _ = released
    (storage.file(storage.require("release"), "release") / "SHA256SUMS").unlink()
    assert measures.release_has_evidence(evidence(storage)).failures == 1


def test_a_release_of_an_earlier_model_keeps_its_checksums_and_says_so(released, tmp_path):
    storage, _ = released
    (tmp_path / "merged" / "model.safetensors").write_bytes(b"other")
    commit_model(storage, tmp_path / "merged")
    found = measures.release_has_evidence(evidence(storage))
    assert (found.failures, found.checked) == (0, 5)
    assert "its evidence was not checked: release is behind sft_model" in found.detail


def test_losses_that_no_longer_show_that_it_is_better_are_noticed(released):
    storage, losses = released
    worse = pl.when(pl.col("model") == "sft_model").then(pl.col("loss") + 9).otherwise(pl.col("loss"))
    store_losses(storage, losses.with_columns(loss=worse))
    version = storage.require("evaluation").data_version
    edit_manifest(storage, "release", inputs={**storage.require("release").inputs, "evaluation": version})
    found = measures.release_has_evidence(evidence(storage))
    assert "the stored losses do not show that it is better" in found.detail


def test_weights_that_are_not_those_that_were_tested_are_noticed(released, tmp_path):
    storage, _ = released
    (tmp_path / "merged" / "model.safetensors").write_bytes(b"other")
    commit_model(storage, tmp_path / "merged")
    version = storage.require("sft_model").data_version
    edit_manifest(storage, "release", inputs={**storage.require("release").inputs, "sft_model": version})
    assert (
        "model.safetensors is not the file that was tested" in measures.release_has_evidence(evidence(storage)).detail
    )
