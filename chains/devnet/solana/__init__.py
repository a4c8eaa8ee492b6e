"""A Solana cluster of one node in memory, for tests and for trying things out."""
