"""What everything stands on: recipe, storage, compute, endpoints, Dagster's internals, presentation."""
