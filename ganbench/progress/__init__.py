"""The progress of a run: live display, watcher, and estimates of the time that remains."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
