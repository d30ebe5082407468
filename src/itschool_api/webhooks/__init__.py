"""Telling schools' own systems what happened: endpoints, events, and what became of each."""
