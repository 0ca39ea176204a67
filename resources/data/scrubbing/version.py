"""The version of how found personal data is replaced."""

# Raise it with each change of the scrubbed records that comes from replacing, not from finding.
VERSION = "3"
