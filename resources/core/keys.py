"""The key of pseudonyms and hashes: without it nobody can tell which value a pseudonym stands for."""

import hashlib
import hmac
import os
import secrets
import uuid
from pathlib import Path

from fineline.resources.core.storage.files import StorageError, make_writable

VARIABLE = "FINELINE_PSEUDONYM_KEY"
FILE = "pseudonym.key"
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
        """16 hex digits that say whether two keys are the same one."""
        return self.digest("fingerprint").hex()[:16]

    def __repr__(self) -> str:
        return f"PseudonymKey({self.fingerprint})"

    @classmethod
    def random(cls) -> "PseudonymKey":
        """A key that is kept nowhere."""
        return cls(secrets.token_bytes(32))


def load_key(root: Path) -> PseudonymKey:
    """The key of FINELINE_PSEUDONYM_KEY, else of the file ``pseudonym.key`` under a storage root.

    The file is made on first use: 64 random hex digits, readable by its owner alone.

    Raises:
        StorageError: the key is too short, or the file may be read by others or cannot be written.
    """
    path = root / FILE
    if VARIABLE not in os.environ and not path.exists():
        _make(path)
    key = stored_key(root)
    if key is None:
        raise StorageError(f"{path} was removed while it was read; run again")
    return key


def stored_key(root: Path) -> PseudonymKey | None:
    """The key as ``load_key`` gives it, or None where none was made yet."""
    if VARIABLE in os.environ:
        return _checked(os.environ[VARIABLE], VARIABLE)
    path = root / FILE
    if not path.exists():
        return None
    if path.stat().st_mode & 0o077:
        raise StorageError(f"{path} may be read by others, and with it pseudonyms can be undone: chmod 600 {path}")
    return _checked(path.read_text(encoding="ascii"), str(path))


def _checked(text: str, where: str) -> PseudonymKey:
    key = text.strip().encode()
    if len(key) < _SHORTEST:
        raise StorageError(
            f"the pseudonym key in {where} has fewer than {_SHORTEST} characters and could be guessed; "
            "make one with: openssl rand -hex 32"
        )
    return PseudonymKey(key)


def _make(path: Path) -> None:
    make_writable(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
    try:
        # Unlike a rename this fails where another process was first; then its key is the one.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _encoded(part: str) -> bytes:
    return part.encode("utf-8", errors="surrogatepass")
