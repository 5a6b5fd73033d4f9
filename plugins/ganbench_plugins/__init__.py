"""The plugins that come with ganbench. Like third-party plugins they import only `ganbench` and libraries."""
