"""Layers of chains.devnet.proxy that know EVM nodes: what such a node can get or put wrong."""
