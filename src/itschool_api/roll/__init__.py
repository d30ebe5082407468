"""The roll: a school's whole population in one table, in and out, and what it brings along."""
