"""The way in on paper: a letter for each guardian who is not reached by e-mail."""
