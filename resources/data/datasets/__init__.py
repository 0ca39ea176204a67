"""Training rows: selection, balance, token account."""
