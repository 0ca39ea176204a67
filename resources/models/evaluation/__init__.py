"""Losses, tests and promotion."""
