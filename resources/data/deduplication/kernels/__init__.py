"""Compiled kernels over string buffers and hashes; tests hold each to a reference in plain Python."""
