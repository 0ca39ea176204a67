"""Errors of finding and replacing personal data."""

from fineline.resources.core.redaction import FinelineError


class ScrubError(FinelineError, ValueError):
    """Personal data cannot be scrubbed as the recipe asks; the message says what to change."""
