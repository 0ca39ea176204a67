"""Forgetting: records, texts and sources are taken out of everything under the storage root, and stay out."""

from fineline.resources.disk import StorageError

CERTIFICATES = "forgetting_certificates"


class ForgettingError(StorageError):
    """A request that cannot be carried out as it stands; the message says why, without the text in question."""


class NeedsConfirmation(ForgettingError):
    """A request that would forget more of the corpus than it says it means."""
