"""The JSON-RPC methods of the local cluster, by what they are about."""
