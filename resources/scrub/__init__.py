"""Replacing personal data, and measuring what survives."""


class ScrubError(ValueError):
    """Personal data cannot be scrubbed as the recipe asks; the message says what to change."""
