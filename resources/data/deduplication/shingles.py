"""Shingles: the runs of units whose sets are compared. A unit is a word, or what stands for one."""

import xxhash

from fineline.resources.data.deduplication.kernels.characters import CODE, SINGLE, SPACE, WORD, kind_of


def units(normalised: str) -> list[tuple[int, int]]:
    """Where the units of a normalised text begin and end.

    A unit is a word between spaces. In scripts without spaces (Chinese, Japanese, Thai, Khmer, …) it is a
    character with its marks, and in code a word ends behind a bracket or an operator within it.
    """
    found: list[list[int]] = []
    inside = single = after_code = False
    for at, character in enumerate(normalised):
        kind = kind_of(character)
        if kind == SPACE:
            inside = False
            continue
        if not inside or kind == SINGLE or (kind == WORD and (single or after_code)):
            found.append([at, at])
            inside, single, after_code = True, kind == SINGLE, False
        else:
            after_code = kind == CODE
        found[-1][1] = at + 1
    return [(start, end) for start, end in found]


def shingles(normalised: str, words: int) -> set[str]:
    """The distinct runs of ``words`` units; a shorter text is its own single shingle.

    So short texts are either equal or share nothing: none is ever a near-duplicate of another text.
    """
    found = units(normalised)
    if len(found) < words or not found:
        return {normalised}
    return {normalised[start:end] for (start, _), (_, end) in zip(found, found[words - 1 :], strict=False)}


def shingle_hash(shingle: bytes) -> int:
    """The hash function of the signatures, as datasketch takes one: the lower 32 bits of XXH64."""
    return xxhash.xxh64_intdigest(shingle) & 0xFFFFFFFF


def content_hash(normalised: str) -> str:
    """Two XXH64 values (seeds 1 and 2) of a normalised text as 32 hexadecimal digits."""
    data = normalised.encode()
    return f"{xxhash.xxh64_intdigest(data, 1):016x}{xxhash.xxh64_intdigest(data, 2):016x}"
