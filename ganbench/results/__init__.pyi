from .frames import Frames
from .history import Run
from .recovery import find_fault, is_sound, set_aside
from .store import Store, read

__all__ = [
    "Frames",
    "Run",
    "Store",
    "find_fault",
    "is_sound",
    "read",
    "set_aside",
]
