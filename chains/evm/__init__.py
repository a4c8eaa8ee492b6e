"""Reading, decoding and sending on EVM chains."""
