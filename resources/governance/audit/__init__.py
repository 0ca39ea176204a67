"""The audit of all promises on stored data; retention."""
