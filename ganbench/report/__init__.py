"""Tables in several formats, figures and sample sheets of stored results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
