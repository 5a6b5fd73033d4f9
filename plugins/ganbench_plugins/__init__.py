"""ganbench's own plugins: strangers to the core, found by entry points, importing only `ganbench` and their field's libraries."""
