"""Base models, training, evaluation and release: the light half in the pipeline, the heavy half in a worker process."""
