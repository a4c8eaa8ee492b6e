"""The message API: requests in, state and events out; it decides nothing."""
