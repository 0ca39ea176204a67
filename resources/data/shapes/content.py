"""The identity of a row: a hash of its content as it came in, with the name of its source."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DIGEST_BYTES = 16


def row_id(source: str, values: Mapping[str, Any]) -> str:
    """128-bit BLAKE2b, as 32 hexadecimal digits, of a row's values and its source's name.

    Batch, place in the batch, order of the columns and machine play no part. A null counts as an absent
    value: table formats fill in nulls for columns that only other rows have.
    """
    content = json.dumps(_without_nulls(values), sort_keys=True, separators=(",", ":"), default=_tagged)
    return raw_id(source, content.encode("ascii"))


def raw_id(source: str, raw: bytes) -> str:
    """The same hash for bytes that could not be read as a row."""
    # Names of sources cannot hold a line break, so no two pairs of source and content run together.
    return hashlib.blake2b(source.encode() + b"\n" + raw, digest_size=DIGEST_BYTES).hexdigest()


def stable_number(text: str) -> int:
    """A number that depends on the text alone, unlike ``hash()``, which changes from run to run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _tagged(value: Any) -> str:
    """Dates, decimals and bytes of Parquet files; the type keeps them apart from equal looking strings."""
    return f"{type(value).__name__}:{value}"
