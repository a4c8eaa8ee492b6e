"""Cross-chain collateral relayer."""
