"""One table format per file; each file is a plugin."""
