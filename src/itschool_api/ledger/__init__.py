"""The books: accounts, transfers between them, and the references that parents pay into.

Nobody else moves money. Wallets and invoices are the parents' side: their balance is stored, and
locked while it changes. The school's side (bank, suspense, revenue, charges, other, opening) has
its balance by query, so that no row is hot.
"""
