"""Version of forgetting; it changes with what is computed, not with how."""

VERSION = "3"
