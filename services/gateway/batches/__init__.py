"""Batches: uploads, what became of them, and the changes that callers can ask for."""
