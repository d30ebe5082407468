"""Who calls: users and their roles in schools, login tokens, passwords, sessions, API keys."""
