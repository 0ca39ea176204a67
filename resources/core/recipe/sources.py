"""The recipe's section on sources: one class a kind, and `Source`, the union of the kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from fineline.resources.core.recipe.base import Location, Section, anchored


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

    @field_validator("id")
    @classmethod
    def local_folder_is_absolute(cls, value: str, info: ValidationInfo) -> str:
        """An id that names a folder beside the recipe is that folder; any other is an id of the hub."""
        folder = anchored(Path(value), info)
        return str(folder) if folder.is_absolute() and folder.is_dir() else value

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
