"""Which batches exist now, and how their rows enter raw_corpus."""
