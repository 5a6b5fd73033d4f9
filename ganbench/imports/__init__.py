"""Runs that were trained elsewhere: how their table is read, and how it becomes a results folder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
