"""How assets are made: engines and clients that work without Dagster running, frames in, frames out."""
