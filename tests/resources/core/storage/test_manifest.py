from fineline.resources.core.storage.manifest import Manifest, changed_inputs

STANDING = {"asset": "splits", "data_version": "v", "code_version": "1", "inputs": {}, "run_id": "r"}


def test_the_files_of_a_role_are_named_by_batch():
    files = {"train": "train-1.jsonl", "model": "content-1/merged", "adapter": "content-1/adapter"}
    by_batch = {"data": {"b/2": "data-2.parquet", "b/1": "data-1.parquet"}}
    manifest = Manifest(batch=None, files=files, files_by_batch=by_batch, **STANDING)
    assert list(manifest.named("data").items()) == [("b/1", "data-1.parquet"), ("b/2", "data-2.parquet")]
    assert manifest.named("train") == {None: "train-1.jsonl"}
    assert manifest.contents == {"train-1.jsonl", "content-1", "data-1.parquet", "data-2.parquet"}
    assert (manifest.roles, manifest.tables) == (["train", "model", "adapter", "data"], ["data"])
    of_batch = Manifest(batch="b/1", files={"data": "data-1.parquet"}, **STANDING)
    assert of_batch.named("data") == {"b/1": "data-1.parquet"}
    assert of_batch.label == "splits[b/1]"


def test_changed_inputs_are_those_added_removed_or_of_another_version():
    assert changed_inputs({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == ["b", "c", "d"]
