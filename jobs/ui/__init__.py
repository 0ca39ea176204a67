"""The UI as a service: Dagster's webserver behind a guard, its daemon, and the server of the definitions."""
