"""Statistics of results: functions of frames, or of plain numbers, that return tables, intervals and p-values.

docs/reference/statistics.md explains which method is used when, and names its source.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
