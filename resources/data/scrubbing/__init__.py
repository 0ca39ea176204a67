"""Replacing personal data in records, and measuring recall with canaries."""
