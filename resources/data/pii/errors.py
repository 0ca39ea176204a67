"""Errors of finding and replacing personal data."""


class ScrubError(ValueError):
    """Personal data cannot be scrubbed as the recipe asks; the message says what to change."""
