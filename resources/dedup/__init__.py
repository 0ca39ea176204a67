"""Deduplication compiled: normalisation, shingles, signatures, bands and true similarities over string buffers."""
