"""One family of metrics per file; each file is a plugin."""
