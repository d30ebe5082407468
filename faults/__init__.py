"""Kills of the server and of PostgreSQL where they hurt, and the proof that nothing came of them."""
