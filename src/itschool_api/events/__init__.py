"""Events: what happens at the school, when, and whom it concerns."""
