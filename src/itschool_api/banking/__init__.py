"""Banking: the bank's files, what they say, and which payment belongs to whom."""
