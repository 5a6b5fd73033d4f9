"""What is to be done: the trials of a suite, in batches, less those that are stored."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
