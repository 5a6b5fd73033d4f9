"""One family of constraints per file; each file is a plugin."""
