"""One tracker per file; each file is a plugin."""
