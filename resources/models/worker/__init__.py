"""The worker process, and the protocol by which the pipeline talks to it."""
