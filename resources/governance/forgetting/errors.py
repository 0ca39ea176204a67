"""Errors of forgetting."""

from fineline.resources.core.storage.files import StorageError

CERTIFICATES = "forgetting_certificates"


class ForgettingError(StorageError):
    """A request that cannot be carried out as it stands; the message says why, without the text in question."""


class NeedsConfirmation(ForgettingError):
    """A request that would forget more of the corpus than it says it means."""
