"""One family of dynamics per file; each file is a plugin."""
