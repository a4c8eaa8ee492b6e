"""Tables, units of work and migrations: the only SQL."""
