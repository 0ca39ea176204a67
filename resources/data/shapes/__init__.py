"""Rows to canonical content."""
