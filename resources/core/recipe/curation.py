"""The recipe's sections on which records are kept: deduplicate, quality, labels, decontaminate, split, balance."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from fineline.resources.core.recipe.base import Section, Share
from fineline.resources.core.recipe.sources import Source


class Deduplicate(Section):
    """Exact and near-duplicate removal."""

    threshold: float = Field(0.7, gt=0.0, le=1.0, description="Jaccard similarity from which two are one.")
    by: Literal["record", "prompt"] = Field(
        "record", description="Compare whole records with their answers, or prompts alone."
    )
    shingle_words: int = Field(
        5, ge=1, description="Words in a shingle; characters in scripts without spaces between words."
    )
    permutations: int = Field(128, ge=16, le=1024, description="MinHash permutations.")
    seed: int = Field(1, ge=0, description="Seed of the permutations.")


class TextQuality(Section):
    """Rules for plain texts alone, designed for web pages; null turns a rule off.

    Rules that are off by default drop more than a fiftieth of good documentation and changelogs. Descriptions give the
    published value, of Gopher, C4 or FineWeb.
    """

    minimum_words: int | None = Field(3, ge=1, description="Words; 50 for web pages (Gopher).")
    minimum_mean_word_length: float | None = Field(None, gt=0, description="Characters; 3 (Gopher).")
    maximum_marks_per_word: float | None = Field(None, ge=0, description="# or ellipses to words; 0.1 (Gopher).")
    minimum_alphabetic_word_share: Share | None = Field(None, description="Words with a letter; 0.8 (Gopher).")
    minimum_stop_words: int | None = Field(None, ge=1, le=8, description="English ones; 2 (Gopher).")
    maximum_bullet_line_share: Share | None = Field(0.9, description="Lines that are list items; 0.9 (Gopher).")
    maximum_ellipsis_line_share: Share | None = Field(0.3, description="Lines that end in an ellipsis; 0.3 (Gopher).")
    maximum_repeated_line_characters: Share | None = Field(
        0.2, description="Characters of lines that repeat an earlier one; 0.2 (Gopher), 0.1 (FineWeb)."
    )
    minimum_punctuated_line_share: Share | None = Field(
        None, description="Lines that end as sentences do; 0.12 (FineWeb)."
    )
    maximum_short_line_share: Share | None = Field(None, description="Lines of at most 30 characters; 0.67 (FineWeb).")
    drop_placeholder: bool = Field(True, description='Texts with "lorem ipsum" (C4).')
    drop_curly_braces: bool = Field(False, description="Texts with a { (C4): it would drop code.")


class Quality(Section):
    """Named rules; a record that breaks one is dropped with the rule's name. Null turns a rule off."""

    minimum_words: int | None = Field(None, ge=0, description="Words in all completion messages.")
    maximum_words: int | None = Field(4000, ge=1, description="Words in all completion messages.")
    maximum_mean_word_length: float | None = Field(
        18.0, gt=0, description="Characters; longer is rarely prose, 10 (Gopher)."
    )
    maximum_symbol_ratio: float | None = Field(
        0.5, gt=0, description="Characters that are neither letter, digit nor space, to all characters."
    )
    maximum_repeated_line_ratio: Share | None = Field(
        0.5, description="Lines that repeat an earlier line; 0.3 (Gopher)."
    )
    maximum_repeated_paragraph_ratio: Share | None = Field(
        0.3, description="Paragraphs that repeat an earlier one; 0.3 (Gopher)."
    )
    maximum_top_ngram_characters: dict[Literal[2, 3, 4], Share] = Field(
        default={2: 0.5, 3: 0.5, 4: 0.5},
        description="Characters in the n-gram that covers most, by n; 0.2, 0.18 and 0.16 (Gopher).",
    )
    maximum_repeated_ngram_characters: dict[Literal[5, 6, 7, 8, 9, 10], Share] = Field(
        default={5: 0.5, 6: 0.5, 7: 0.5, 8: 0.5, 9: 0.5, 10: 0.5},
        description="Characters in n-grams that occurred before, by n; 0.15, 0.14 and so on to 0.1 (Gopher).",
    )
    maximum_replaced_share: float | None = Field(0.3, ge=0, description="Replaced spans to words.")
    drop_refusals: bool = Field(True, description='Answers such as "as an AI language model, I cannot".')
    drop_truncated: bool = Field(True, description="Answers that stop within a sentence or a block of code.")
    languages: list[Annotated[str, Field(pattern="^[a-z]{2,3}$")]] | None = Field(
        None, min_length=1, description="ISO 639 codes, such as en; null is all."
    )
    minimum_language_probability: Share = Field(0.5, description="Probability from which another language counts.")
    texts: TextQuality = TextQuality()


class Labels(Section):
    """Finding labels that do not fit their text, and outliers. Nothing is dropped: a person looks at them."""

    sources: list[str] | None = Field(None, description="Only these sources; all that have labels by default.")
    features: Literal["embeddings", "words"] = Field(
        "embeddings", description="Sentence embeddings, or TF-IDF of words: faster on long texts, and coarser."
    )
    folds: int = Field(5, ge=2, description="Folds of the cross-validation.")


class Decontaminate(Section):
    """Removing records that repeat evaluation texts."""

    against: list[Source] = Field(default=[], description="Evaluation sets, read like sources; never trained on.")
    ngram: int = Field(13, ge=1, description="Words in a row that a record may not share with an evaluation set.")
    maximum_repeats: int = Field(
        100,
        ge=1,
        description="An n-gram in more of the corpus' texts is an instruction or a phrase, and does not count.",
    )
    held_out_prompts: bool = Field(
        True, description="Training records that repeat prompts of validation or test are dropped too."
    )


class Split(Section):
    """Leak-free, stratified, stable splits."""

    validation: Share = 0.05
    test: Share = 0.05
    seed: int = Field(0, ge=0, description="Decides on records without a split; the others keep theirs.")
    stratify_by: list[Literal["source", "label", "kind", "length"]] = Field(
        default=["source", "label", "length"], description="Every split keeps the corpus' shares of these."
    )
    keep_equal_prompts_together: bool = Field(
        True, description="Answers to one prompt stay in one split; false where all records share one instruction."
    )

    @model_validator(mode="after")
    def leaves_room_for_training(self) -> Split:
        """A split without training records trains nothing."""
        if self.validation + self.test >= 1.0:
            raise ValueError("validation + test must be below 1, so that train gets records")
        return self


class Balance(Section):
    """The part of each source and label in the train rows of datasets. Validation and test rows are not affected."""

    maximum_per_source: int | None = Field(None, ge=1, description="Train rows of one source in a dataset.")
    maximum_per_label: int | None = Field(None, ge=1, description="Train rows of one label of a source.")
    topics: int | None = Field(None, ge=2, description="Topics to count the corpus by; takes some minutes.")
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="Parts of the train rows by source; 1 for those not named, 0 leaves a source out."
    )
