"""Where every record is; audit; forgetting."""
