"""A demonstration: two schools that nobody knows, their families, money, and a bank's file.

All people, schools, accounts and addresses are invented, the same for the same seed; what they
resemble is chance. They are written by the services that the API itself calls.
"""
