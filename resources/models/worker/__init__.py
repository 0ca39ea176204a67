"""The worker process: its protocol, its client and its environment."""
