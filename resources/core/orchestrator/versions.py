"""The tags by which Dagster knows the data version of an event."""

from __future__ import annotations

from fineline.resources.core.storage.manifest import Manifest

# The second tag keeps Dagster from replacing the version by one of its own making.
DATA_VERSION_TAG, GIVEN_VERSION_TAG = "dagster/data_version", "dagster/data_version_is_user_provided"


def version_tags(manifest: Manifest) -> dict[str, str]:
    """The tags of an event that reports what is stored now."""
    return {
        DATA_VERSION_TAG: manifest.data_version,
        GIVEN_VERSION_TAG: "true",
        "dagster/code_version": manifest.code_version,
    }


def row_count(manifest: Manifest) -> dict[str, int]:
    """The metadata by which Dagster shows rows; the rows of one batch must not stand as those of the whole asset."""
    if manifest.rows is None:
        return {}
    return {"dagster/row_count" if manifest.batch is None else "dagster/partition_row_count": manifest.rows}
