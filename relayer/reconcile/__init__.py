"""Observed events become journal entries; the ledger is compared with the chain."""
