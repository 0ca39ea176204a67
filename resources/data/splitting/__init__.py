"""Leak-free, stable, stratified assignment, and the measurement of leaks."""
