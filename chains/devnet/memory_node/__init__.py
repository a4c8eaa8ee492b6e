"""A scriptable EVM node: a chain held in memory behind JSON-RPC, no other process needed."""
