"""Wallets: a student's prepaid money, one for each compartment, topped up by transfer."""
