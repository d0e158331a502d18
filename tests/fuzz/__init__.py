"""Bytes that nobody meant, for minutes: `make fuzz SECONDS=300`. What it finds becomes a test of its own elsewhere."""
