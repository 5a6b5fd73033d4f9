"""The only place that knows the seed axis."""
