"""The registry of offers by kind and name, the options of each offer, and the hash of its code."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
