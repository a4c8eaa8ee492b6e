"""Prices from many sources, judged into one price with bounds; pure."""
