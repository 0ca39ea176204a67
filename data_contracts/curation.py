"""The results of deduplication, quality rules, label checks and splitting.

Five words name records that belong together. A **group** is declared by the source: a conversation, a user, a template;
its **identity** is a hash of source and group that is unique across sources, and a record without a group is a group of
its own. A **cluster** holds near-duplicates, of which one record, the representative, is kept. A **family** is wider:
its records are similar as a whole, though their answers may differ. A **component** is all that groups, clusters,
families and equal prompts tie together, directly or through other records: it goes into one split, where the smallest
identity in it is its ``split_group``.
"""

import dataframely as dy
import polars as pl

from fineline.data_contracts.records import RECORD_ID_PATTERN, SPLITS


class Signature(dy.Schema):
    """The MinHash of a record's shingles and the hash of its normalised content.

    ``replaced_percent`` and ``characters`` decide which of several duplicates is kept, so that only the texts of
    candidates must be read to find duplicates.
    """

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    batch = dy.String(nullable=False, primary_key=True)
    source = dy.String(nullable=False)
    content_hash = dy.String(nullable=False, regex=RECORD_ID_PATTERN)
    characters = dy.UInt32(nullable=False)
    replaced_percent = dy.UInt32(nullable=False)
    shingles = dy.UInt32(nullable=False)
    signature = dy.List(dy.UInt32(nullable=False), nullable=False, min_length=1)


class DuplicateCluster(dy.Schema):
    """The cluster and the family of a record; an exact duplicate has the similarity 1.0."""

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    batch = dy.String(nullable=False, primary_key=True)
    source = dy.String(nullable=False)
    cluster = dy.String(nullable=False, regex=RECORD_ID_PATTERN)
    family = dy.String(nullable=False, regex=RECORD_ID_PATTERN)
    representative = dy.Bool(nullable=False)
    reason = dy.Enum(["exact_duplicate", "near_duplicate"], nullable=True)
    similarity = dy.Float64(nullable=True, min=0.0, max=1.0)

    @dy.rule()
    def removed_records_say_why(cls) -> pl.Expr:
        """A removed record has a reason and a similarity; a representative has neither."""
        explained = pl.col("reason").is_not_null() & pl.col("similarity").is_not_null()
        return pl.col("representative") != explained

    @dy.rule()
    def a_cluster_has_one_representative(cls) -> pl.Expr:
        """Exactly one record of a cluster is kept."""
        return pl.col("representative").sum().over("cluster") == 1

    @dy.rule()
    def a_cluster_is_of_one_family(cls) -> pl.Expr:
        """All records of a cluster are of one family."""
        return pl.col("family").n_unique().over("cluster") == 1


class RecordQuality(dy.Schema):
    """The measures of a representative's answer, and the first rule that it failed, if any.

    ``fineline.resources.data.quality.measures``, ``repetition`` and ``language`` define the measures.
    """

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    batch = dy.String(nullable=False)
    source = dy.String(nullable=False)
    words = dy.UInt32(nullable=False)
    mean_word_length = dy.Float64(nullable=False, min=0.0)
    symbol_ratio = dy.Float64(nullable=False, min=0.0)
    marks_per_word = dy.Float64(nullable=False, min=0.0)
    alphabetic_word_share = dy.Float64(nullable=False, min=0.0, max=1.0)
    stop_words = dy.UInt32(nullable=False)
    bullet_line_share = dy.Float64(nullable=False, min=0.0, max=1.0)
    ellipsis_line_share = dy.Float64(nullable=False, min=0.0, max=1.0)
    punctuated_line_share = dy.Float64(nullable=False, min=0.0, max=1.0)
    short_line_share = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_line_ratio = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_line_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_paragraph_ratio = dy.Float64(nullable=False, min=0.0, max=1.0)
    top_2gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    top_3gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    top_4gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_5gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_6gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_7gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_8gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_9gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    repeated_10gram_characters = dy.Float64(nullable=False, min=0.0, max=1.0)
    replaced_share = dy.Float64(nullable=False, min=0.0)
    refusal = dy.Bool(nullable=False)
    truncated = dy.Bool(nullable=False)
    placeholder = dy.Bool(nullable=False)
    curly_brace = dy.Bool(nullable=False)
    language = dy.String(nullable=True)
    language_probability = dy.Float64(nullable=True, min=0.0, max=1.0)
    failed_rule = dy.String(nullable=True)


class LabelIssue(dy.Schema):
    """How well a record's label fits its text, by out-of-sample probabilities, and cleanlab's other findings."""

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    batch = dy.String(nullable=False)
    source = dy.String(nullable=False)
    label = dy.String(nullable=False)
    suggested_label = dy.String(nullable=False)
    label_quality = dy.Float64(nullable=False, min=0.0, max=1.0)
    is_issue = dy.Bool(nullable=False)
    outlier_score = dy.Float64(nullable=False, min=0.0, max=1.0)
    is_outlier = dy.Bool(nullable=False)
    is_rare_label = dy.Bool(nullable=False)


class SplitAssignment(dy.Schema):
    """The split of a curated record. ``split_group`` names the component that must stay together."""

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    batch = dy.String(nullable=False)
    source = dy.String(nullable=False)
    split = dy.Enum(SPLITS, nullable=False)
    split_group = dy.String(nullable=False)
    stratum = dy.String(nullable=False)

    @dy.rule()
    def a_group_stays_in_one_split(cls) -> pl.Expr:
        """A model must not be tested on records that are tied to its training records."""
        return pl.col("split").n_unique().over("split_group") == 1


class SplitHistory(dy.Schema):
    """The last split of a record, kept even after the record has left the corpus.

    ``identity`` and ``prompt_key`` are hashes of its group and its prompt, by which new records follow it.
    """

    record_id = dy.String(nullable=False, regex=RECORD_ID_PATTERN)
    split = dy.Enum(SPLITS, nullable=False)
    identity = dy.String(nullable=False)
    prompt_key = dy.String(nullable=True)
