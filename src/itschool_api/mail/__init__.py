"""E-mails: what they say, in four languages, and the ways out to a mail server or a folder."""
