"""Plots, Markdown tables and progress lines."""
