"""Compiled kernels over string buffers; each has a plain-Python reference beside it."""
