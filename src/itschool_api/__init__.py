"""The API that Belgian schools run on: wallets, invoices, and the bank's file that pays them."""
