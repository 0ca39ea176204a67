"""Version of the record ledger; it changes with what is computed, not with how."""

VERSION = "1"
