"""One family of executors per file; each file is a plugin."""
