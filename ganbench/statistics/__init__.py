"""What the scores say: functions from results, or from plain numbers, to tables and intervals.

docs/statistics.md says which method is used when, and its source.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
