"""What exists: one module a step of the graph, in the order in which data flows."""
