"""ganbench's own plugins: strangers to the core, importing only `ganbench` and the libraries of their field."""
