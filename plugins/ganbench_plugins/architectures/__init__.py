"""One family of architectures per file; each file is a plugin."""
