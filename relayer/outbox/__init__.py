"""Messages to other chains: what they carry and how they live. Pure."""
