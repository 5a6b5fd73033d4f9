"""A third party's plugins, one offer of every kind, as they were written for ganbench 0.1."""
