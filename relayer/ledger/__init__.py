"""The double-entry ledger: chart of accounts, journal, balances, hash chain. Pure."""
