"""Forgetting: records, texts and sources are removed from everything under the storage root, and stay out."""
