"""One family of losses per file; each file is a plugin."""
