"""The steps of the flow: read, ask, compute, write. One verb per file."""
