"""Brakes on what leaves and what counts: outflow windows, exposure limits, switches. Pure."""
