"""A results folder: what is stored there, how it is read, and how it is kept from harm."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
