"""A student joins the school: a person of `families` who gets wallets. The roof over both."""
