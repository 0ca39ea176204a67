"""Finding personal data and secrets."""
