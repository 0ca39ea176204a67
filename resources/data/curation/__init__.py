"""Label issues, contamination, composition, and the curated corpus."""
