"""What must hold at each boundary: one class a table."""
