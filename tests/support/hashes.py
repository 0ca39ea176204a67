"""The hashes of deduplication in plain Python, which the kernels must equal."""

import xxhash


def shingle_hash(shingle: bytes) -> int:
    """The hash function of the signatures in the form that datasketch takes: the lower 32 bits of XXH64."""
    return xxhash.xxh64_intdigest(shingle) & 0xFFFFFFFF


def content_hash(normalised: str) -> str:
    """Two XXH64 values (seeds 1 and 2) of a normalised text as 32 hexadecimal digits."""
    data = normalised.encode()
    return f"{xxhash.xxh64_intdigest(data, 1):016x}{xxhash.xxh64_intdigest(data, 2):016x}"
