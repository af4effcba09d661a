"""Every store in memory: the reference implementations, for tests and for sessions locally."""
