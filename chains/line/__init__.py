"""JSON-RPC with one node, for every family: bounded, timed, and read with distrust."""
