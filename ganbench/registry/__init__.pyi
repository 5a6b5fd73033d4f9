from .code_hash import hash_code
from .options import Options
from .registry import Offered, Problem, Registry, load

__all__ = [
    "Offered",
    "Options",
    "Problem",
    "Registry",
    "hash_code",
    "load",
]
