"""Promises checked on stored bytes; retention."""
