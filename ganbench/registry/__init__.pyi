from .code_hash import hash_code
from .options import Options
from .problems import Problem
from .registry import Offered, Registry, load

__all__ = [
    "Offered",
    "Options",
    "Problem",
    "Registry",
    "hash_code",
    "load",
]
