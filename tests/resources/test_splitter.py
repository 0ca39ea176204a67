import random
from collections.abc import Iterable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import curated_record

from fineline.data_contracts.curation import SplitAssignment
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.minhash import content_hash
from fineline.resources.recipe_data import Split
from fineline.resources.splitter import assign, follow_clusters, group_identity, proportions

SECTION = Split(validation=0.1, test=0.1)


def row(name: str, group: str | None = None, label: str | None = None, cluster: str | None = None) -> dict[str, Any]:
    return curated_record(name, name, group=group, label=label, cluster=cluster)


def frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CuratedRecord.create_empty().schema)


def split_of(assignment: pl.DataFrame) -> dict[str, str]:
    return dict(assignment.select("record_id", "split").iter_rows())


def split(assignment: pl.DataFrame, name: str) -> str:
    return split_of(assignment)[content_hash(name)]


def singles(count: int, start: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [row(f"single {i}", **more) for i in range(start, start + count)]


def pinned(curated: pl.DataFrame, splits: dict[str, str]) -> pl.DataFrame:
    """An earlier assignment in which records stood where the test wants them."""
    return (
        curated.join(
            pl.DataFrame({"name": list(splits), "split": list(splits.values())}).with_columns(
                record_id=pl.Series([content_hash(name) for name in splits])
            ),
            on="record_id",
        )
        .with_columns(
            split_group=pl.struct("source", "group", "record_id").map_elements(
                lambda key: group_identity(*key.values()), pl.String
            ),
            stratum=pl.lit("corpus/none"),
        )
        .select(SplitAssignment.column_names())
        .cast(SplitAssignment.create_empty().schema)
    )


def test_single_records_meet_the_shares_to_a_record():
    counts = assign(frame(singles(1000)), SECTION)["split"].value_counts()
    assert dict(counts.iter_rows()) == pytest.approx({"train": 800, "validation": 100, "test": 100}, abs=1)


def test_each_stratum_meets_its_shares():
    curated = frame([*singles(400, label="a"), *singles(200, 400, label="b"), *singles(100, 600)])
    shares = proportions(assign(curated, SECTION), SECTION)
    assert shares["stratum"].unique().sort().to_list() == ["corpus/a", "corpus/b", "corpus/none"]
    assert shares["gap"].abs().max() <= 0.01


def test_shares_of_many_small_strata_are_met_in_total():
    curated = frame(row(f"{label} {i}", label=f"label {label}") for label in range(100) for i in range(4))
    held_out = assign(curated, SECTION).filter(pl.col("split") != "train").height
    assert 0.14 * 400 <= held_out <= 0.26 * 400


def test_groups_of_uneven_size_meet_the_shares_within_one_percentage_point():
    draw = random.Random(0)
    sizes = [int(draw.paretovariate(1.0) * 3) % 120 + 1 for _ in range(300)]
    curated = frame(row(f"{group} {i}", f"module {group}") for group, size in enumerate(sizes) for i in range(size))
    for seed in range(3):
        section = SECTION.model_copy(update={"seed": seed})
        assert proportions(assign(curated, section), section)["gap"].abs().max() <= 0.01


def test_a_group_larger_than_a_held_out_share_goes_to_train():
    for seed in range(20):
        section = SECTION.model_copy(update={"seed": seed})
        curated = frame([*(row(f"big {i}", "big") for i in range(30)), *singles(170)])
        assert split(assign(curated, section), "big 0") == "train"


def test_records_of_one_group_are_in_one_split():
    curated = frame(row(f"{group} {i}", f"g{group}") for group in range(50) for i in range(5))
    groups = assign(curated, SECTION).join(curated.select("record_id", "group"), on="record_id").group_by("group")
    assert (groups.agg(pl.col("split").n_unique())["split"] == 1).all()


def test_groups_of_the_same_name_in_two_sources_are_two_groups():
    assert group_identity("a", "x", "1") == group_identity("a", "x", "2")
    assert group_identity("a", "x", "1") != group_identity("b", "x", "1")
    assert group_identity("a", None, "1") != group_identity("a", None, "2")


def test_a_shared_cluster_ties_groups_together():
    curated = frame([row(f"{i}", f"g{i}", cluster="same") for i in range(5)] + singles(300))
    for seed in range(10):
        assignment = assign(curated, SECTION.model_copy(update={"seed": seed}))
        tied = assignment.filter(pl.col("record_id").is_in([content_hash(f"{i}") for i in range(5)]))
        assert tied["split"].n_unique() == 1
        assert tied["split_group"].n_unique() == 1


def test_another_seed_is_another_assignment():
    curated = frame(singles(200))
    assert split_of(assign(curated, SECTION)) != split_of(assign(curated, Split(validation=0.1, test=0.1, seed=1)))


def test_stratifying_by_nothing_is_one_stratum():
    assignment = assign(frame(singles(20)), Split(stratify_by=[]))
    assert assignment["stratum"].unique().to_list() == ["all"]


def test_no_records_give_no_assignment():
    assert assign(frame([]), SECTION).schema == SplitAssignment.create_empty().schema


def test_new_records_of_an_old_group_follow_it():
    old = frame([row("a", "g")])
    before = pinned(old, {"a": "test"})
    after = assign(frame([row("a", "g"), row("b", "g"), *singles(50)]), SECTION, before)
    assert split(after, "b") == "test"


def test_new_records_follow_a_group_whose_old_records_are_gone():
    before = pinned(frame([row("a", "g")]), {"a": "test"})
    assert split(assign(frame([row("b", "g"), *singles(50)]), SECTION, before), "b") == "test"


def test_a_new_record_that_ties_two_splits_moves_nobody_and_goes_to_train():
    old = [row("a", "g", cluster="c"), row("b", "h", cluster="d")]
    before = pinned(frame(old), {"a": "test", "b": "validation"})
    tie_a, tie_b = row("new", "n", cluster="c"), row("newer", "n", cluster="d")
    after = SplitAssignment.validate(assign(frame([*old, tie_a, tie_b]), SECTION, before))
    assert [split(after, name) for name in ("a", "b", "new", "newer")] == ["test", "validation", "train", "train"]


def test_what_was_torn_before_stays_where_it_was():
    old = [row("a", "g"), row("b", "g")]
    before = pinned(frame([row("a"), row("b")]), {"a": "test", "b": "train"})
    after = SplitAssignment.validate(assign(frame([*old, row("c", "g")]), SECTION, before))
    assert [split(after, name) for name in ("a", "b", "c")] == ["test", "train", "train"]


def test_new_groups_fill_what_the_old_ones_lack():
    curated = frame(singles(200))
    before = pinned(curated.head(100), {f"single {i}": "train" for i in range(200)})
    shares = proportions(assign(curated, SECTION, before), SECTION)
    assert shares["gap"].abs().max() <= 0.01


def test_proportions_name_splits_that_have_no_records():
    shares = proportions(assign(frame(singles(1)), Split(validation=0.0, test=0.0)), Split(validation=0.0, test=0.0))
    assert shares.select("split", "records", "gap").rows() == [
        ("test", 0, 0.0),
        ("train", 1, 0.0),
        ("validation", 0, 0.0),
    ]


def clusters(cluster_of: dict[str, str]) -> pl.DataFrame:
    pairs = [(content_hash(name), content_hash(cluster)) for name, cluster in cluster_of.items()]
    return pl.DataFrame(pairs, schema={"record_id": pl.String, "cluster": pl.String}, orient="row")


def test_a_longer_duplicate_takes_over_the_split_of_the_record_that_it_replaces():
    before = pinned(frame([row("old")]), {"old": "train"})
    followed = follow_clusters(before, clusters({"old": "longer", "longer": "longer"}))
    assert split_of(followed) == {content_hash("longer"): "train"}


def test_records_that_no_cluster_names_keep_their_split():
    before = pinned(frame([row("old")]), {"old": "test"})
    assert split_of(follow_clusters(before, clusters({}))) == split_of(before)


def test_of_several_replaced_records_train_counts_unless_the_new_one_was_assigned_itself():
    before = pinned(frame([row("a"), row("b"), row("c")]), {"a": "validation", "b": "train", "c": "test"})
    merged = follow_clusters(before, clusters({"a": "new", "b": "new", "c": "new"}))
    assert split_of(merged) == {content_hash("new"): "train"}
    own = follow_clusters(before, clusters({"a": "c", "b": "c", "c": "c"}))
    assert split_of(own) == {content_hash("c"): "test"}


ROWS = st.lists(
    st.builds(
        row,
        st.integers(0, 10_000).map(str),
        st.one_of(st.none(), st.sampled_from("ghijk")),
        st.one_of(st.none(), st.sampled_from("xy")),
    ),
    max_size=40,
    unique_by=lambda made: made["record_id"],
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(rows: list[dict[str, Any]], shuffled: random.Random):
    other = [*rows]
    shuffled.shuffle(other)
    assert assign(frame(rows), SECTION).equals(assign(frame(other), SECTION))


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, more=ROWS, gone=st.sets(st.integers(0, 39)))
def test_growth_and_loss_move_no_record_and_no_group(
    rows: list[dict[str, Any]], more: list[dict[str, Any]], gone: set[int]
):
    before = assign(frame(rows), SECTION)
    known = {made["record_id"] for made in rows}
    kept = [made for i, made in enumerate(rows) if i not in gone]
    today = frame([*kept, *(made for made in more if made["record_id"] not in known)])
    after = SplitAssignment.validate(assign(today, SECTION, before))
    assert after["record_id"].to_list() == sorted(today["record_id"])
    was, now = split_of(before), split_of(after)
    assert all(now[made["record_id"]] == was[made["record_id"]] for made in kept)
    both = pl.concat([before, after]).join(
        frame([*rows, *more]).unique("record_id").select("record_id", "group"), on="record_id"
    )
    groups = both.drop_nulls("group").group_by("source", "group").agg(pl.col("split").n_unique())
    assert (groups["split"] == 1).all()


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_the_same_records_and_assignment_give_the_same_assignment_again(rows: list[dict[str, Any]]):
    once = assign(frame(rows), SECTION)
    assert assign(frame(rows), SECTION, once).equals(once)
