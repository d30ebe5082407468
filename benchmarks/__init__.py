"""Measurements of what the project promises, and what they are compared with."""
