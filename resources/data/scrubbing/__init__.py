"""Replacing personal data, and measuring recall with canaries."""
