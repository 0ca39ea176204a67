"""Tells faults of the environment, for which no batch is refused, from those of what a file holds."""

from fineline.resources.core.storage.faults import is_transient
from fineline.resources.data.formats.compression import is_damage
from fineline.resources.data.formats.rows import PassingError

# Packages that reach stores, hubs and databases. None of them decodes what a file holds.
_REACHING = frozenset(
    [
        "adlfs",
        "aiobotocore",
        "aiohttp",
        "azure",
        "botocore",
        "gcsfs",
        "google",
        "httpcore",
        "httpcore2",
        "httpx",
        "httpx2",
        "huggingface_hub",
        "paramiko",
        "requests",
        "s3fs",
        "sqlalchemy",
        "urllib3",
    ]
)


def is_of_the_environment(error: BaseException) -> bool:
    """Whether a disk, a connection, credentials or a missing package are behind an error, and no file's content."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, (PassingError, ImportError)) or (isinstance(found, OSError) and not is_damage(found)):
            return True
        if any(kind.__module__.partition(".")[0] in _REACHING for kind in type(found).__mro__):
            return True
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return is_transient(error)
