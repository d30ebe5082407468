"""The first page in one call: it owns nothing, and asks the others."""
