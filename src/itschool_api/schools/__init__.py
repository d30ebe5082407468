"""The tenant: a school, its years, its compartments of money, its bank accounts."""
