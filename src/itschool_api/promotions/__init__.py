"""Into the next school year: whole classes move on, some students otherwise, the oldest leave."""
