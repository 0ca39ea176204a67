import random
from collections.abc import Iterable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hashes import content_hash
from support.records import curated_record

from fineline.data_contracts.curation import SplitAssignment, SplitHistory
from fineline.data_contracts.records import CuratedRecord
from fineline.resources.core.recipe.curation import Split
from fineline.resources.data.splitting.assignment import assign as assign_all
from fineline.resources.data.splitting.groups import compared_prompt, group_identity, keyed
from fineline.resources.data.splitting.history import extend, follow_clusters
from fineline.resources.data.splitting.proportions import by_dimension, misfits, proportions

SECTION = Split(validation=0.1, test=0.1, stratify_by=["source", "label"])


def assign(curated: pl.DataFrame, section: Split, history: pl.DataFrame | None = None) -> pl.DataFrame:
    return assign_all(curated, section, history).records


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
    """The history of an earlier assignment with the splits that the test wants."""
    return (
        curated.join(
            pl.DataFrame({"name": list(splits), "split": list(splits.values())}).with_columns(
                record_id=pl.Series([content_hash(name) for name in splits])
            ),
            on="record_id",
        )
        .join(keyed(curated, SECTION).select("record_id", "identity", "prompt_key"), on="record_id")
        .select(SplitHistory.column_names())
        .cast(SplitHistory.create_empty().schema)
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
    excluded = assign(curated, SECTION).filter(pl.col("split") != "train").height
    assert 0.14 * 400 <= excluded <= 0.26 * 400


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
    assert split_of(assign(curated, SECTION)) != split_of(assign(curated, SECTION.model_copy(update={"seed": 1})))


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


def test_a_new_record_that_ties_two_splits_is_excluded_and_moves_no_other():
    old = [row("a", "g"), row("b", "h", cluster="d")]
    history = pinned(frame(old), {"a": "train", "b": "test"})
    after = assign_all(frame([*old, row("tie", "g", cluster="d"), row("follower", "g")]), SECTION, history)
    assert [split(after.records, name) for name in ("a", "b", "follower")] == ["train", "test", "train"]
    assert after.excluded.select("record_id", "source", "batch", "rule").rows() == [
        (content_hash("tie"), "corpus", "corpus/part", "ties_splits")
    ]


def test_new_records_that_tie_two_splits_together_are_excluded():
    old = [row("a", "g", cluster="c"), row("b", "h", cluster="d")]
    history = pinned(frame(old), {"a": "test", "b": "validation"})
    chain = [row("new", "n", cluster="c"), row("middle", "n"), row("newer", "n", cluster="d")]
    after = assign_all(frame([*old, *chain, row("follower", "g")]), SECTION, history)
    assert split_of(after.records) == {content_hash("a"): "test", content_hash("b"): "validation"} | {
        content_hash("follower"): "test"
    }
    assert set(after.excluded["rule"]) == {"ties_splits"}


def test_an_excluded_record_stays_excluded_in_the_next_assignment():
    old = [row("a", "g"), row("b", "h", cluster="d")]
    history = pinned(frame(old), {"a": "train", "b": "test"})
    today = frame([*old, row("tie", "g", cluster="d")])
    first = assign_all(today, SECTION, history)
    again = assign_all(today, SECTION, extend(history, first.history))
    assert again.records.equals(first.records)
    assert again.excluded.equals(first.excluded)


def test_earlier_records_that_a_new_recipe_groups_are_excluded_unless_in_train():
    old = [row("a", "g"), row("b", "g"), row("c", "h"), row("d", "h")]
    history = pinned(frame(old), {"a": "test", "b": "train", "c": "validation", "d": "test"})
    after = assign_all(frame([*old, row("e", "g")]), SECTION, history)
    assert split_of(after.records) == {content_hash("b"): "train", content_hash("d"): "test"}
    assert dict(after.excluded.select("record_id", "rule").iter_rows()) == {
        content_hash("a"): "group_came_apart",
        content_hash("c"): "group_came_apart",
        content_hash("e"): "ties_splits",
    }


def asked(name: str, prompt: str) -> dict[str, Any]:
    return {**row(name), "prompt": [{"role": "user", "content": prompt}]}


def test_answers_to_one_prompt_stay_together_however_it_is_spaced_and_cased():
    rows = [asked(f"{i}", prompt) for i, prompt in enumerate(["Why  me?", "why me?", " WHY\nME?", "why me?"])]
    for seed in range(10):
        assignment = assign(frame([*rows, *singles(50)]), SECTION.model_copy(update={"seed": seed}))
        tied = assignment.filter(pl.col("record_id").is_in([each["record_id"] for each in rows]))
        assert tied["split_group"].n_unique() == 1


def test_equal_prompts_may_be_divided_where_the_recipe_says_so():
    rows = [asked(f"{i}", "Continue.") for i in range(200)]
    section = SECTION.model_copy(update={"keep_equal_prompts_together": False})
    assert assign(frame(rows), section)["split"].n_unique() == 3


def test_a_record_that_returns_gets_its_earlier_split():
    first = assign_all(frame(singles(100)), SECTION)
    gone = assign_all(frame(singles(50)), SECTION, first.history)
    back = assign(frame(singles(100)), SECTION, extend(first.history, gone.history))
    assert split_of(back) == split_of(first.records)


def test_new_groups_fill_the_shares_that_earlier_ones_lack():
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


def test_a_record_that_replaces_records_of_two_splits_is_excluded():
    history = pinned(frame([row("a"), row("b")]), {"a": "validation", "b": "train"})
    followed = follow_clusters(history, clusters({"a": "new", "b": "new", "new": "new"}))
    after = assign_all(frame([row("new"), row("other")]), SECTION, followed)
    assert after.excluded["record_id"].to_list() == [content_hash("new")]
    assert after.records["record_id"].to_list() == [content_hash("other")]


def test_a_record_that_replaces_others_and_was_assigned_itself_keeps_its_split():
    history = pinned(frame([row("a"), row("b"), row("c")]), {"a": "validation", "b": "train", "c": "test"})
    own = follow_clusters(history, clusters({"a": "c", "b": "c", "c": "c"}))
    assert split_of(own) == {content_hash("c"): "test"}


def test_shares_are_shown_by_each_dimension_of_the_strata():
    section = Split(validation=0.1, test=0.1, stratify_by=["label", "length"])
    curated = frame([*singles(300, label="a/b"), row("long", label="c")])
    long = curated.with_columns(
        completion=pl.when(pl.col("label") == "c")
        .then(pl.lit([{"role": "assistant", "content": "word " * 600}], curated.schema["completion"]))
        .otherwise("completion")
    )
    table = by_dimension(assign(long, section), long, section)
    assert table.select("dimension", "value", "records").rows() == [
        ("all", "all", 301),
        ("label", "a/b", 300),
        ("label", "c", 1),
        ("length", "up to 32 words", 300),
        ("length", "more than 512 words", 1),
    ]
    assert table["gap"][0] <= 0.01


def test_strata_that_miss_a_share_are_listed_with_the_reason():
    curated = frame(
        [
            *singles(500, label="even"),
            *singles(4, 500, label="few"),
            *(row(f"b{i}", "big", "grouped") for i in range(150)),
        ]
    )
    found = misfits(assign(curated, SECTION), SECTION)
    assert dict(found.select("stratum", "why").iter_rows()) == {
        "corpus/few": "one record is 25.0 % of it",
        "corpus/grouped": "its largest group is 100.0 % of it",
    }


def test_the_stratum_of_length_depends_on_the_record_alone():
    text = "one two three"
    record = {**asked("x", text), "completion": [{"role": "assistant", "content": "four " * 30}]}
    section = Split(stratify_by=["length"])
    assert keyed(frame([record]), section)["stratum"].to_list() == ["33 to 128 words"]
    assert frame([record]).select(compared_prompt()).item() == text


ROWS = st.lists(
    st.builds(
        lambda name, group, label, cluster, prompt: {
            **row(name, group, label, cluster),
            "prompt": [{"role": "user", "content": prompt}] if prompt else [],
        },
        st.integers(0, 10_000).map(str),
        st.one_of(st.none(), st.sampled_from("ghijk")),
        st.one_of(st.none(), st.sampled_from("xy")),
        st.one_of(st.none(), st.sampled_from("cdefgh")),
        st.sampled_from(["", "", "", "Who?", "What?", "Where?"]),
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
def test_growth_and_loss_move_no_record_and_separate_no_group(
    rows: list[dict[str, Any]], more: list[dict[str, Any]], gone: set[int]
):
    first = assign_all(frame(rows), SECTION)
    assert first.excluded.is_empty()
    known = {made["record_id"] for made in rows}
    kept = [made for i, made in enumerate(rows) if i not in gone]
    today = frame([*kept, *(made for made in more if made["record_id"] not in known)])
    after = assign_all(today, SECTION, first.history)
    SplitAssignment.validate(after.records)
    assert sorted([*after.records["record_id"], *after.excluded["record_id"]]) == sorted(today["record_id"])
    was, now = split_of(first.records), split_of(after.records)
    assert all(now[made["record_id"]] == was[made["record_id"]] for made in kept)
    seen = pl.concat([first.records, after.records]).join(
        frame([*rows, *more]).unique("record_id").select("record_id", "group", "cluster", prompt=compared_prompt()),
        on="record_id",
    )
    for key in ("group", "prompt"):
        assert (seen.drop_nulls(key).group_by(key).agg(pl.col("split").n_unique())["split"] == 1).all()
    today_only = after.records.join(today.select("record_id", "cluster"), on="record_id")
    assert (today_only.group_by("cluster").agg(pl.col("split").n_unique())["split"] == 1).all()


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, more=ROWS)
def test_assigned_and_excluded_records_depend_on_no_order(rows: list[dict[str, Any]], more: list[dict[str, Any]]):
    history = assign_all(frame(rows), SECTION).history
    today = list({made["record_id"]: made for made in [*more, *rows]}.values())
    one, other = assign_all(frame(today), SECTION, history), assign_all(frame(today[::-1]), SECTION, history[::-1])
    assert one.records.equals(other.records)
    assert one.excluded.equals(other.excluded)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_the_same_records_and_assignment_give_the_same_assignment_again(rows: list[dict[str, Any]]):
    once = assign_all(frame(rows), SECTION)
    assert assign(frame(rows), SECTION, once.history).equals(once.records)
