"""The audit trail, for reading; `trail.py` writes it."""
