"""Sizing of liquidations and the review of a plan by a guardian; pure."""
