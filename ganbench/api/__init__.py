"""What plugin authors write, and what travels between processes: names and numbers, without torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
