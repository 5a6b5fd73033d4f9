"""Suites: reading and checking them, and finding the line of each key in the file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
