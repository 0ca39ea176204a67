import gzip
import json
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hashes import content_hash
from support.records import record

from fineline.data_contracts.curation import DuplicateCluster
from fineline.data_contracts.messages import record_text
from fineline.data_contracts.records import ScrubbedRecord
from fineline.resources.core.recipe.curation import Deduplicate
from fineline.resources.data.deduplication import lsh as bands
from fineline.resources.data.deduplication.buffers import normalise
from fineline.resources.data.deduplication.clusters import cluster_size_bands, find_clusters
from fineline.resources.data.deduplication.shingles import shingles
from fineline.resources.data.deduplication.signatures import sign

SECTION = Deduplicate(shingle_words=2)
LONG = "the quick brown fox jumps over the lazy dog while seven wizards pack a box of liquor jugs tonight"


def row(name: str, answer: str, batch: str = "corpus/a", source: str = "corpus", prompt: str = "") -> dict:
    return record(
        answer,
        record_id=content_hash(name),
        source=source,
        batch=batch,
        kind="chat" if prompt else "text",
        prompt=[{"role": "user", "content": prompt}] if prompt else [],
        replacements=0,
    )


def frame(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=ScrubbedRecord.create_empty().schema)


def clusters_of(records: pl.DataFrame, section: Deduplicate = SECTION) -> pl.DataFrame:
    found = find_clusters(records.lazy(), sign(records, section).lazy(), section)
    return DuplicateCluster.validate(found.table)


def verdicts(clusters: pl.DataFrame) -> dict[str, tuple[bool, str | None, float | None]]:
    return {r["record_id"]: (r["representative"], r["reason"], r["similarity"]) for r in clusters.to_dicts()}


def members(clusters: pl.DataFrame) -> set[frozenset[tuple[str, str]]]:
    grouped = clusters.group_by("cluster").agg(pl.struct("record_id", "batch"))
    return {frozenset((r["record_id"], r["batch"]) for r in rows) for rows in grouped["record_id"]}


def test_records_that_differ_in_case_and_white_space_are_exact_duplicates():
    clusters = clusters_of(frame(row("one", "Yes  it is"), row("two", "yes it IS\n")))
    assert clusters["representative"].sum() == 1
    removed = clusters.filter(~pl.col("representative"))
    assert removed.select("reason", "similarity").rows() == [("exact_duplicate", 1.0)]


def test_exact_duplicates_across_sources_count():
    records = frame(row("one", "yes"), row("two", "yes", batch="other/a", source="other"))
    assert clusters_of(records)["cluster"].n_unique() == 1


def test_the_same_row_in_two_batches_is_an_exact_duplicate_of_itself():
    clusters = clusters_of(frame(row("one", "yes"), row("one", "yes", batch="corpus/b")))
    assert clusters.select("batch", "representative").rows() == [("corpus/a", True), ("corpus/b", False)]
    assert clusters["reason"].to_list() == [None, "exact_duplicate"]


def test_the_same_row_scrubbed_differently_in_two_batches_stays_once():
    clusters = clusters_of(frame(row("one", "call me"), row("one", "call <PERSON> now", batch="corpus/b")))
    assert clusters["representative"].to_list() == [False, True]


def test_a_near_duplicate_carries_its_true_similarity_and_the_longer_record_stays():
    clusters = clusters_of(frame(row("short", LONG), row("long", f"{LONG} again")))
    kinds = verdicts(clusters)
    assert kinds[content_hash("long")] == (True, None, None)
    kept, reason, similarity = kinds[content_hash("short")]
    assert (kept, reason) == (False, "near_duplicate")
    assert similarity == pytest.approx(18 / 19)


def test_equal_answers_to_different_questions_are_no_duplicates():
    ask = "what does the method get of a mapping such as {} do when a key is not there"
    records = frame(row("a", "It returns None.", prompt=ask.format("dict")), row("b", "It returns None."))
    assert clusters_of(records)["representative"].all()


def test_the_record_with_the_smallest_id_stays_among_equally_long_ones():
    clusters = clusters_of(frame(row("one", "yes"), row("two", "yes"), row("three", "YES")))
    kept = clusters.filter("representative")["record_id"].item()
    assert kept == min(clusters["record_id"])


def test_a_copy_of_a_removed_near_duplicate_is_an_exact_duplicate_of_the_same_cluster():
    copies = [row("one", LONG), row("two", LONG)]
    clusters = clusters_of(frame(*copies, row("long", f"{LONG} again")))
    assert clusters["cluster"].n_unique() == 1
    assert set(clusters["reason"].drop_nulls()) == {"near_duplicate", "exact_duplicate"}


def test_a_chain_of_similar_records_is_one_cluster():
    words = [f"w{i}" for i in range(40)]
    texts = [" ".join(words[start : start + 25]) for start in (0, 4, 8)]
    section = Deduplicate(shingle_words=1)
    clusters = clusters_of(frame(*(row(text, text) for text in texts)), section)
    ends = set(texts[0].split()), set(texts[2].split())
    assert len(ends[0] & ends[1]) / len(ends[0] | ends[1]) < section.threshold
    assert clusters["cluster"].n_unique() == 1


def test_the_similarity_of_a_removed_record_is_its_highest_in_the_cluster():
    words = [f"w{i}" for i in range(40)]
    texts = [" ".join(words[start:stop]) for start, stop in ((0, 25), (2, 27), (6, 32))]
    clusters = clusters_of(frame(*(row(text, text) for text in texts)), Deduplicate(shingle_words=1))
    assert clusters.filter("representative")["record_id"].item() == content_hash(texts[2])
    assert verdicts(clusters)[content_hash(texts[1])][2] == pytest.approx(23 / 27)


def test_short_records_that_differ_are_never_merged():
    texts = [f"answer {i}" for i in range(200)]
    clusters = clusters_of(frame(*(row(text, text) for text in texts)), Deduplicate(threshold=0.1))
    assert clusters["representative"].all()


def test_a_bucket_with_many_similar_records_still_is_one_cluster(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bands, "BUCKET_LEADERS", 4)
    texts = [f"{LONG} {i}" for i in range(60)]
    assert clusters_of(frame(*(row(text, text) for text in texts)))["cluster"].n_unique() == 1


def test_no_records_give_no_clusters():
    assert clusters_of(frame()).is_empty()


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=1, max_size=12).map(" ".join)
ROWS = st.lists(
    st.builds(row, st.sampled_from("pqrstuvwxyz"), WORDS, st.sampled_from(["corpus/a", "corpus/b"])),
    min_size=1,
    max_size=14,
    unique_by=lambda made: (made["record_id"], made["batch"]),
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(rows: list[dict], shuffled: random.Random):
    other = [*rows]
    shuffled.shuffle(other)
    assert clusters_of(frame(*rows)).equals(clusters_of(frame(*other)))


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_each_record_is_in_one_cluster_and_each_cluster_keeps_one(rows: list[dict]):
    clusters = clusters_of(frame(*rows))
    assert sorted(clusters.select("record_id", "batch").rows()) == sorted(
        (made["record_id"], made["batch"]) for made in rows
    )
    kept = clusters.filter("representative")
    assert kept["record_id"].to_list() == kept["cluster"].to_list()
    assert kept["cluster"].is_unique().all()


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_equal_content_is_always_in_one_cluster(rows: list[dict]):
    records = frame(*rows)
    texts = [normalise(text) for text in record_text(records)]
    clusters = records.with_columns(text=pl.Series(texts)).join(clusters_of(records), on=["record_id", "batch"])
    assert (clusters.group_by("text").agg(pl.col("cluster").n_unique())["cluster"] == 1).all()


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, threshold=st.sampled_from([0.3, 0.6, 0.9]))
def test_each_near_duplicate_reaches_the_threshold_with_a_member_of_its_cluster(rows: list[dict], threshold: float):
    section = Deduplicate(threshold=threshold, shingle_words=2)
    records = frame(*rows)
    clusters = clusters_of(records, section)
    text = {(r["record_id"], r["batch"]): normalise(r["completion"][0]["content"]) for r in rows}
    for near in clusters.filter(reason="near_duplicate").to_dicts():
        own = (near["record_id"], near["batch"])
        others = clusters.filter(cluster=near["cluster"]).select("record_id", "batch").rows()
        left = shingles(text[own], 2)
        similar = [
            len(left & right) / len(left | right)
            for right in (shingles(text[other], 2) for other in others if text[other] != text[own])
        ]
        assert near["similarity"] >= threshold
        assert any(near["similarity"] == pytest.approx(value) for value in similar)


def test_nearly_all_clusters_of_brute_force_are_found():
    draw = random.Random(0)
    texts = []
    for _ in range(60):
        words = [draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(draw.randint(10, 60))]
        for _ in range(draw.randint(1, 4)):
            edited = [*words]
            for _ in range(draw.randint(0, 4)):
                edited[draw.randrange(len(edited))] = "edited"
            texts.append(" ".join(edited))
    records = frame(*(row(f"{i}", text) for i, text in enumerate(texts)))
    sets = [shingles(text, 2) for text in texts]
    parent = list(range(len(texts)))

    def root(node: int) -> int:
        return node if parent[node] == node else root(parent[node])

    for right in range(len(sets)):
        for left in range(right):
            if len(sets[left] & sets[right]) >= SECTION.threshold * len(sets[left] | sets[right]):
                parent[root(right)] = root(left)
    ids = [content_hash(f"{i}") for i in range(len(texts))]
    true = {
        frozenset((ids[i], "corpus/a") for i in range(len(texts)) if root(i) == r) for r in map(root, range(len(texts)))
    }
    found = members(clusters_of(records))
    assert 60 < len(true) < len(texts)
    assert len(true & found) / len(true) >= 0.98


@pytest.mark.real_data
def test_templates_over_one_passage_are_found_in_real_prompts(shared_data: Path):
    with gzip.open(shared_data / "instruction" / "p3_templates_a.jsonl.gz", "rt") as lines:
        real = [json.loads(line) for line, _ in zip(lines, range(1000), strict=False)]
    records = frame(*(row(each["id"], each["completion"], prompt=each["prompt"]) for each in real))
    clusters = clusters_of(records, Deduplicate())
    near = clusters.filter(reason="near_duplicate")
    assert near.height > 250
    assert near["similarity"].is_between(0.7, 1.0).all()


LONG_PROMPT = "here is a passage of some length about foxes and dogs which both records have in common " * 2


def test_two_answers_to_one_prompt_are_no_duplicates_but_of_one_family():
    records = frame(row("yes", "Yes.", prompt=LONG_PROMPT), row("no", "No!", prompt=LONG_PROMPT))
    clusters = clusters_of(records)
    assert clusters["representative"].all()
    assert clusters["family"].n_unique() == 1


def test_one_answer_to_two_similar_prompts_is_a_duplicate():
    records = frame(row("a", "Yes.", prompt=LONG_PROMPT), row("b", "YES.", prompt=f"{LONG_PROMPT} too"))
    assert clusters_of(records)["reason"].drop_nulls().to_list() == ["near_duplicate"]


def test_a_preference_is_no_duplicate_of_its_reverse():
    one, other = row("a", "Yes.", prompt=LONG_PROMPT), row("b", "No!", prompt=LONG_PROMPT)
    pair = [{**one, "rejected": other["completion"]}, {**other, "rejected": one["completion"]}]
    assert clusters_of(frame(*pair))["representative"].all()


def test_by_prompt_one_answer_to_each_prompt_stays():
    section = Deduplicate(shingle_words=2, by="prompt")
    records = frame(
        row("a", "Yes.", prompt=LONG_PROMPT),
        row("b", "No, and that is that.", prompt=f"{LONG_PROMPT} too"),
        row("c", "No, and that is that.", prompt="another question which is not like it"),
        row("d", f"{LONG_PROMPT} as a text of its own"),
    )
    clusters = clusters_of(records, section)
    assert verdicts(clusters)[content_hash("c")][0]
    assert clusters["cluster"].n_unique() == 2


def test_the_record_with_fewer_replaced_spans_stays_though_it_is_shorter():
    scrubbed = {**row("scrubbed", f"{LONG} <PERSON>"), "replacements": 1}
    clusters = clusters_of(frame(scrubbed, row("plain", LONG)))
    assert clusters.filter("representative")["record_id"].item() == content_hash("plain")


@pytest.mark.parametrize(
    "language",
    [
        "你好世界这是一个很长的句子里面没有空格",
        "これはとても長い文ですが空白がありません",
        "ภาษาไทยเขียนโดยไม่มีช่องว่างระหว่างคำ",
    ],
)
def test_near_duplicates_in_scripts_without_spaces_are_found_and_others_are_not(language: str):
    records = frame(row("a", language), row("b", f"{language[:-1]}x"), row("c", language[::-1]))
    clusters = clusters_of(records, Deduplicate(shingle_words=3))
    assert clusters["cluster"].n_unique() == 2


def test_near_duplicates_in_code_without_spaces_are_found():
    code = "".join(f"x{i}=f(a{i});" for i in range(30))
    clusters = clusters_of(frame(row("a", code), row("b", code.replace("x29=", "y29="))), Deduplicate())
    assert clusters["cluster"].n_unique() == 1


def grown(rows: list[dict], parts: int, section: Deduplicate) -> pl.DataFrame:
    """The clusters after one batch was added after the other, each call reusing the pairs of the one before."""
    known, signatures, found = None, [], None
    for stop in range(1, parts + 1):
        part = frame(*(each for number, each in enumerate(rows) if number % parts == stop - 1))
        signatures.append(sign(part, section))
        records = frame(*(each for number, each in enumerate(rows) if number % parts < stop))
        found = find_clusters(records.lazy(), pl.concat(signatures).lazy(), section, known)
        known = found.pairs
    return found.table


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, parts=st.integers(1, 10), leaders=st.sampled_from([1, 2, 256]))
def test_one_batch_or_ten_give_the_same(rows: list[dict], parts: int, leaders: int):
    section = Deduplicate(shingle_words=2, threshold=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "BUCKET_LEADERS", leaders)
        assert grown(rows, parts, section).equals(clusters_of(frame(*rows), section))


def test_a_grown_corpus_measures_only_pairs_that_are_new():
    old = frame(*(row(f"{i}", f"{LONG} {i}") for i in range(5)))
    new = frame(row("new", f"{LONG} new", batch="corpus/b"))
    before = find_clusters(old.lazy(), sign(old, SECTION).lazy(), SECTION)
    everything = pl.concat([old, new])
    after = find_clusters(everything.lazy(), sign(everything, SECTION).lazy(), SECTION, before.pairs)
    assert (before.fresh, after.fresh, after.pairs.height) == (10, 5, 15)


def test_the_text_of_a_batch_without_new_candidates_is_not_read():
    old = frame(*(row(f"{i}", f"{LONG} {i}") for i in range(3)))
    new = frame(row("new", "something else entirely is said here", batch="corpus/b"))
    before = find_clusters(old.lazy(), sign(old, SECTION).lazy(), SECTION)
    signatures = pl.concat([sign(old, SECTION), sign(new, SECTION)])
    unreadable = pl.concat([old, new]).with_columns(completion=pl.lit(None, old.schema["completion"]))
    after = find_clusters(unreadable.lazy(), signatures.lazy(), SECTION, before.pairs)
    assert after.table["cluster"].n_unique() == 2


def test_one_core_or_two_give_the_same(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("fineline.resources.data.deduplication.buffers.ROWS_AT_ONCE", 7)
    monkeypatch.setattr("fineline.resources.data.deduplication.shingles.PAIRS_AT_ONCE", 7)
    records = frame(*(row(f"{i}", f"{LONG} {i % 37}") for i in range(100)))
    tables = []
    for cores in (1, 2):
        monkeypatch.setattr(pl, "thread_pool_size", lambda cores=cores: cores)
        tables.append(clusters_of(records))
    assert tables[0].equals(tables[1])


def test_records_without_a_signature_are_refused():
    records = frame(row("a", "one"), row("b", "two"))
    with pytest.raises(ValueError, match="1 records have no signature"):
        find_clusters(records.lazy(), sign(records.head(1), SECTION).lazy(), SECTION)


def test_signatures_of_records_that_are_gone_are_refused():
    records = frame(row("a", LONG), row("b", f"{LONG} b"))
    others = frame(row("a", LONG), row("c", f"{LONG} b"))
    with pytest.raises(ValueError, match="1 signed records are not in the corpus"):
        find_clusters(records.lazy(), sign(others, SECTION).lazy(), SECTION)


def test_cluster_sizes_count_records_and_sum_to_all():
    clusters = pl.DataFrame({"cluster": ["a", "b", "b", *["c"] * 4, *["d"] * 30]})
    assert cluster_size_bands(clusters) == {
        "1 (unique)": 1, "2": 2, "3 to 5": 4, "6 to 20": 0, "more than 20": 30,
    }  # fmt: skip
