"""The recipe: its sections, and how it is loaded and checked."""
