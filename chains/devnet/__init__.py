"""Local chains for tests and the demo."""
