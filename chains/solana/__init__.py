"""Solana: the vault program's addresses, instructions, accounts, events and errors."""
