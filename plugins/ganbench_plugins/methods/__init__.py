"""One family of methods per file; each file is a plugin."""
