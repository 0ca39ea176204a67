import polars as pl
from support.records import record, records

from fineline.resources.data.curation.curate import curate


def clustered(table, groups):
    """Clusters of a table of records; the first record of each is the representative."""
    rows = []
    for members in groups:
        for position, index in enumerate(members):
            row = table.row(index, named=True)
            removed = position > 0
            rows.append(
                {
                    "record_id": row["record_id"],
                    "batch": row["batch"],
                    "source": row["source"],
                    "cluster": table["record_id"][members[0]],
                    "family": table["record_id"][members[0]],
                    "representative": not removed,
                    "reason": "near_duplicate" if removed else None,
                    "similarity": 0.9 if removed else None,
                }
            )
    return pl.DataFrame(rows)


def test_each_record_is_kept_or_dropped_with_its_rule():
    table = records(*[record(f"answer number {n}") for n in range(4)]).with_columns(replacements=pl.lit(0, pl.UInt32))
    clusters = clustered(table, [[0, 1], [2], [3]])
    quality = pl.DataFrame({"record_id": table["record_id"].gather([0, 2, 3]), "failed_rule": [None, "refusal", None]})
    contaminated = {table["record_id"][3]: "gsm8k_test"}
    output = curate(table, clusters, quality, contaminated)
    assert output.frame["record_id"].to_list() == [table["record_id"][0]]
    assert output.drops.filter(rule="contaminated")["detail"].to_list() == ["repeats gsm8k_test"]
    assert curate(table, clusters, quality, {}).frame.height == 2
    drops = {row["record_id"]: (row["asset"], row["rule"]) for row in output.drops.iter_rows(named=True)}
    assert drops == {
        table["record_id"][1]: ("duplicate_clusters", "near_duplicate"),
        table["record_id"][2]: ("record_quality", "refusal"),
        table["record_id"][3]: ("curated_corpus", "contaminated"),
    }
    assert output.rows_in == output.frame.height + output.drops.height


def test_rows_kept_and_dropped_are_in_the_order_of_the_records():
    table = records(*[record(f"answer number {n}") for n in range(6)]).with_columns(replacements=pl.lit(0, pl.UInt32))
    clusters = clustered(table, [[3, 0], [1], [2], [4], [5]]).reverse()
    failed = [None, "x", None, "x", "x"]
    quality = pl.DataFrame({"record_id": table["record_id"].gather([5, 4, 3, 2, 1]), "failed_rule": failed})
    output = curate(table, clusters, quality, {})
    assert output.frame["record_id"].to_list() == table["record_id"].gather([3, 5]).to_list()
    assert output.drops["record_id"].to_list() == table["record_id"].gather([0, 1, 2, 4]).to_list()
