"""The key of pseudonyms and hashes: without it nobody can find the value that a pseudonym stands for."""

import hashlib
import hmac
import secrets
from contextlib import suppress

from fineline.resources.core.redaction import secret
from fineline.resources.core.storage.files import StorageError
from fineline.resources.core.storage.layout import PSEUDONYM_KEY
from fineline.resources.core.storage.root import Conflict, Root

VARIABLE = "FINELINE_PSEUDONYM_KEY"
_SHORTEST = 32


class PseudonymKey:
    """Keyed hashing by HMAC-SHA256. Its bytes are never shown; ``fingerprint`` may be."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def digest(self, *parts: str) -> bytes:
        """32 bytes that depend on the key and on each part."""
        message = b"".join(len(part).to_bytes(8, "big") + part for part in (_encoded(part) for part in parts))
        return hmac.digest(self._key, message, hashlib.sha256)

    def tombstone(self, record_id: str) -> str:
        """The 32 hex digits that stand for a forgotten record where its row must still be counted."""
        return self.digest("tombstone", record_id).hex()[:32]

    @property
    def fingerprint(self) -> str:
        """16 hex digits, which are equal for equal keys."""
        return self.digest("fingerprint").hex()[:16]

    def __repr__(self) -> str:
        return f"PseudonymKey({self.fingerprint})"

    @classmethod
    def random(cls) -> "PseudonymKey":
        """A key that is kept nowhere."""
        return cls(secrets.token_bytes(32))


def load_key(root: Root) -> PseudonymKey:
    """The key of FINELINE_PSEUDONYM_KEY, else of the file ``pseudonym.key`` under a storage root.

    The file is made on first use: 64 random hex digits, readable by its owner alone.

    Raises:
        StorageError: the key is too short, or the file may be read by others or cannot be written.
    """
    while (key := stored_key(root)) is None:
        with suppress(Conflict):  # Another process made one first, which is the key then.
            root.swap(PSEUDONYM_KEY, f"{secrets.token_hex(32)}\n".encode(), None, private=True)
    return key


def stored_key(root: Root) -> PseudonymKey | None:
    """The key as :func:`load_key` returns it; None where there is none yet."""
    if (given := secret(VARIABLE)) is not None:
        return _checked(given, VARIABLE)
    found = root.get(PSEUDONYM_KEY, private=True)
    return None if found is None else _checked(found.content.decode("ascii"), root.location(PSEUDONYM_KEY))


def _checked(text: str, where: str) -> PseudonymKey:
    key = text.strip().encode()
    if len(key) < _SHORTEST:
        raise StorageError(
            f"the pseudonym key in {where} has fewer than {_SHORTEST} characters and could be guessed; "
            "make one with: openssl rand -hex 32"
        )
    return PseudonymKey(key)


def _encoded(part: str) -> bytes:
    return part.encode("utf-8", errors="surrogatepass")
