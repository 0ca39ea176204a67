"""What every section of a recipe is built from: the section class, shared field types, and the digest of values."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from fineline.resources.core.redaction import expanded


def anchored(path: Path, info: ValidationInfo) -> Path:
    """The absolute path of a path in a recipe, with environment variables and ``~`` filled in.

    Relative paths start at the folder in the validation context; without a context the path is returned unchanged.
    """
    folder = (info.context or {}).get("folder")
    return path if folder is None else (folder / os.path.expanduser(os.path.expandvars(path))).resolve()


def _anchored_or_url(location: str | Path, info: ValidationInfo) -> str | Path:
    if isinstance(location, Path):
        return anchored(location, info)
    # A password is filled in where the URL is opened: recipes are stored and shown.
    return expanded(location, with_secrets=False) if info.context else location


Share = Annotated[float, Field(ge=0.0, le=1.0)]
Url = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://")]
LocalPath = Annotated[Path, AfterValidator(anchored)]
Location = Annotated[Url | Path, Field(union_mode="left_to_right"), AfterValidator(_anchored_or_url)]


class Section(BaseModel):
    """A part of the recipe. Unknown keys are refused, so a typing mistake is never silently a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def digest(*sections: Any) -> str:
    """A short hash of recipe values, independent of how the YAML was formatted: 12 hexadecimal digits."""
    text = json.dumps(sections, sort_keys=True, default=lambda section: section.model_dump(mode="json"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
