"""What everything stands on: recipe, storage, compute, Dagster's internals, presentation."""
