"""The ledger and the trace of records, audit, and forgetting."""
