"""Everything that speaks to a chain. Knows nothing of the relayer package."""
