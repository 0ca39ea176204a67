import polars as pl
from support.records import record, records

from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication.spot_check import unverified

SENTENCE = "the quick brown fox jumps over the lazy dog near the river bank every single morning before"


def removed(near_text):
    table = records(record(f"{SENTENCE} breakfast", question="q"), record(near_text, question="q"))
    first = table["record_id"][0]
    return table.lazy(), pl.DataFrame(
        {
            "record_id": table["record_id"],
            "batch": table["batch"],
            "cluster": [first, first],
            "reason": [None, "near_duplicate"],
        }
    )


def test_a_removed_record_that_resembles_its_cluster_is_verified():
    assert unverified(*removed(f"{SENTENCE} lunch"), Deduplicate()) == 0


def test_a_removed_record_that_does_not_resemble_its_cluster_is_counted():
    assert unverified(*removed("something that has nothing at all to do with foxes or with rivers"), Deduplicate()) == 1
