"""Processes: a run from its plan to stored records, and recorded trials built, trained or scored again."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
