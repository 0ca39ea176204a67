"""Signatures, LSH candidates, verified clusters."""
