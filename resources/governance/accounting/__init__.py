"""Ledger, funnel and trace."""
