"""Invoices: what families owe, from draft to paid."""
