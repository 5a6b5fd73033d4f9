"""One family of extractors per file; each file is a plugin."""
