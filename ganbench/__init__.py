"""ganbench: does this loss, this critic constraint, this architecture really help, or was it one lucky run?

This is the public API. Plugin authors, executors and trackers import what they need from here, and notebooks call
`run` and `read`. Importing it is quick and needs no torch: each name is loaded when it is first used.
"""

import sys

import lazy_loader

from ganbench.deprecation import warn_on_access
from ganbench.moved import MovedModules

__version__ = "0.1.0"

_load_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = warn_on_access(_load_name, __name__)

sys.meta_path.append(MovedModules)
