"""The page: a results folder as one HTML file that needs no network, with linked charts, tables and every failure."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
