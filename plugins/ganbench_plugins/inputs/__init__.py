"""One family of inputs per file; each file is a plugin."""
