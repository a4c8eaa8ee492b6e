"""Margin of accounts: parameters, health, limits and the book of all accounts; pure."""
