"""How the body of an asset is run: its inputs, its provenance, and the events that Dagster records."""
