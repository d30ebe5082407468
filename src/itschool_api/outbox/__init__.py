"""Mails that a school sends, and what became of each."""
