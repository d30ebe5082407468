"""Students, class groups, guardians, guardianships and families: who belongs to whom."""
