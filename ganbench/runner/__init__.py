"""Running a suite from its plan to stored records, and rebuilding, rerunning and rescoring recorded trials."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
