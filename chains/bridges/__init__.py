"""Bridges: how an attested message becomes calls to its target."""
