"""One family of datasets per file; each file is a plugin."""
