"""One family of optimizers per file; each file is a plugin."""
