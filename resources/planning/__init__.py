"""What is stale, what is made together, when to retrain."""
