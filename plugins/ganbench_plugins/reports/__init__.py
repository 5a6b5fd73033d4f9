"""Ways to write tables."""
