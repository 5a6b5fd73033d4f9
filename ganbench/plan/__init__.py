"""Plans: the trials of a suite in batches, and which of them are still to be trained."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
