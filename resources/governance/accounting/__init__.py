"""Ledger, funnel and trace: where every record is."""
