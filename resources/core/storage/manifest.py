"""The manifest of an asset: what is stored of it, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fineline.data_contracts.catalog import Partition

# The role of a file, and the batch whose rows it holds.
Place = tuple[str, str | None]


def _inside(name: str) -> str:
    if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError("it is no place in the asset's folder")
    return name


FileName = Annotated[str, AfterValidator(_inside)]


class Manifest(BaseModel):
    """What is stored of an asset, or of one of its batches, and what it was made from.

    ``files`` names by role (data, drops, model, …) a file or folder beside the manifest. A table of all batches is
    stored in one file a batch, which ``files_by_batch`` names by role and batch; rows that belong to no batch are
    under the empty one.
    """

    model_config = ConfigDict(frozen=True)

    asset: str
    batch: str | None
    data_version: str
    code_version: str
    inputs: dict[str, str]
    rows: int | None = None
    rows_in: int | None = None
    dropped: int = 0
    quarantined: int = 0
    files: dict[str, FileName]
    files_by_batch: dict[str, dict[str, FileName]] = {}
    failed_checks: list[str] = []
    run_id: str
    made_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    facts: dict[str, Any] = {}
    flags: list[str] = []

    @classmethod
    def parsed(cls, content: bytes) -> Manifest | None:
        """The manifest that is stored as these bytes; None where they are none."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            return None

    @property
    def content(self) -> bytes:
        """The bytes as which it is stored."""
        return self.model_dump_json(indent=1).encode()

    @property
    def label(self) -> str:
        """How it is called in messages: ``raw_corpus[docs/part-1]``."""
        return Partition(self.asset, self.batch).label

    @property
    def roles(self) -> list[str]:
        """The roles that have files."""
        return [*self.files, *self.files_by_batch]

    @property
    def tables(self) -> list[str]:
        """The roles whose files are Parquet."""
        return [role for role in self.roles if all(name.endswith(".parquet") for name in self.named(role).values())]

    def named(self, role: str) -> Mapping[str | None, str]:
        """The files of a role by batch, sorted; of a role in one file, that file by the manifest's own batch."""
        if role in self.files_by_batch:
            return dict(sorted(self.files_by_batch[role].items()))
        return {self.batch: self.files[role]}

    @property
    def contents(self) -> set[str]:
        """The names of all files and folders directly beside the manifest that it stands for."""
        return {PurePosixPath(name).parts[0] for role in self.roles for name in self.named(role).values()}

    def with_files(self, names: Mapping[Place, str]) -> Manifest:
        """The manifest with these files in place of those that it names in their roles and batches."""
        files, by_batch = dict(self.files), dict(self.files_by_batch)
        for (role, batch), name in names.items():
            if batch is None or batch == self.batch:
                files[role] = name
            else:
                by_batch[role] = {**by_batch.get(role, {}), batch: name}
        return self.model_copy(update={"files": files, "files_by_batch": by_batch})


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of inputs that were added, removed, or have another version."""
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
