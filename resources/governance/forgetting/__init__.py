"""Forgetting: removal of records, texts, sources and batches from everything under the storage root, for good."""
