"""What deduplication, quality rules and label checks say about records."""

import dataframely as dy
import polars as pl

from fineline.data_contracts.records import RECORD_ID_PATTERN


class Signature(dy.Schema):
    """The MinHash of a record's shingles (datasketch's values) and the hash of its normalised content.

    With what decides which of several duplicates stays: ``replaced_percent``, replaced spans to a hundred
    words, and ``characters`` of the normalised text. So finding duplicates reads the text of candidates only.
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
    """The cluster of a record: ``cluster`` is the record_id of its representative, which stays.

    ``family`` ties more: records that are similar as a whole, though their answers may differ. All of a
    cluster are of one family, which is named by its smallest record_id.

    ``similarity`` is the true Jaccard similarity of the verified pair that ties a removed record to its
    cluster (1.0 for exact duplicates), null for representatives.
    """

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
        """Representatives carry no reason; all others carry reason and similarity."""
        explained = pl.col("reason").is_not_null() & pl.col("similarity").is_not_null()
        return pl.col("representative") != explained

    @dy.rule()
    def a_cluster_has_one_representative(cls) -> pl.Expr:
        """Exactly one record of a cluster stays."""
        return pl.col("representative").sum().over("cluster") == 1

    @dy.rule()
    def a_cluster_is_of_one_family(cls) -> pl.Expr:
        """Duplicates are similar."""
        return pl.col("family").n_unique().over("cluster") == 1


class RecordQuality(dy.Schema):
    """Measures of a representative record's answer, and the first rule that it failed, if any.

    Ratios, shares and characters (shares of characters) are described where they are measured:
    fineline.resources.data.quality.measures, repetition and language. The language is null where the recipe takes all.
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
    """How far a record's label fits its text, by out-of-sample probabilities, and what else cleanlab noticed.

    Scores are from 0 (look here first) to 1. ``is_rare_label``: the label is the rarest, with less than a
    tenth of its even share.
    """

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    source = dy.String(nullable=False)
    label = dy.String(nullable=False)
    suggested_label = dy.String(nullable=False)
    label_quality = dy.Float64(nullable=False, min=0.0, max=1.0)
    is_issue = dy.Bool(nullable=False)
    outlier_score = dy.Float64(nullable=False, min=0.0, max=1.0)
    is_outlier = dy.Bool(nullable=False)
    is_rare_label = dy.Bool(nullable=False)


class SplitAssignment(dy.Schema):
    """The split of a curated record. ``split_group`` joins all that must stay together."""

    record_id = dy.String(nullable=False, primary_key=True, regex=RECORD_ID_PATTERN)
    source = dy.String(nullable=False)
    split = dy.Enum(["train", "validation", "test"], nullable=False)
    split_group = dy.String(nullable=False)
    stratum = dy.String(nullable=False)

    @dy.rule()
    def a_group_stays_in_one_split(cls) -> pl.Expr:
        """The model must not be tested on what it was trained on."""
        return pl.col("split").n_unique().over("split_group") == 1


class SplitHistory(dy.Schema):
    """Where a record stood when it was last assigned, kept also after it has left the corpus.

    ``identity`` and ``prompt_key`` name its group and its prompt, by hash, so that new records follow them.
    """

    record_id = dy.String(nullable=False, regex=RECORD_ID_PATTERN)
    split = dy.Enum(["train", "validation", "test"], nullable=False)
    identity = dy.String(nullable=False)
    prompt_key = dy.String(nullable=True)
