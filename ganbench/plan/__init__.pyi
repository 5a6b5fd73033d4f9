from .architectures import sample
from .budget import resolve_budget
from .composition import members_per_batch
from .making import make
from .outlines import outline
from .plan import Plan, Todo, find_missing
from .selection import select

__all__ = [
    "Plan",
    "Todo",
    "find_missing",
    "make",
    "members_per_batch",
    "outline",
    "resolve_budget",
    "sample",
    "select",
]
