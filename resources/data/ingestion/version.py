"""The version of how rows become records: ingestion with the formats, shapes and sources below it."""

# Raise it with each change of the records that are read.
VERSION = "3"
