"""The version of what is found in a text."""

# Raise it with each change of the spans that are found. Findings that another version cached are not reused.
VERSION = "3"
