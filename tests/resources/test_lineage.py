from fineline.resources.lineage import unchanged_batches
from fineline.resources.storage import Manifest

INPUTS = {"scrubbed_corpus[docs/1]": "a", "scrubbed_corpus[docs/2]": "b", "duplicate_clusters": "c"}
BEFORE = Manifest(
    asset="record_quality", batch=None, data_version="v", code_version="1", inputs=INPUTS, files={}, run_id="r"
)


def test_batches_with_the_version_of_last_time_are_unchanged():
    now = {**INPUTS, "scrubbed_corpus[docs/2]": "other", "scrubbed_corpus[docs/3]": "new", "duplicate_clusters": "d"}
    assert unchanged_batches(BEFORE, "1", now, "scrubbed_corpus") == ["docs/1"]


def test_nothing_is_unchanged_for_other_code_or_an_asset_that_was_never_made():
    assert unchanged_batches(BEFORE, "2", INPUTS, "scrubbed_corpus") == []
    assert unchanged_batches(None, "1", INPUTS, "scrubbed_corpus") == []


def test_a_batch_may_have_brackets_in_its_name():
    inputs = {"scrubbed_corpus[docs/a[1].txt]": "a"}
    before = BEFORE.model_copy(update={"inputs": inputs})
    assert unchanged_batches(before, "1", inputs, "scrubbed_corpus") == ["docs/a[1].txt"]
