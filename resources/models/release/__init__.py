"""Merge check, release package and model card."""
