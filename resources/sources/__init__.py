"""Reading corpora into canonical records, one batch at a time."""
