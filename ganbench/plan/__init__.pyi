from .budget import resolve_budget
from .plan import Plan, Todo, missing
from .planner import make, sample
from .selection import select

__all__ = [
    "Plan",
    "Todo",
    "make",
    "missing",
    "resolve_budget",
    "sample",
    "select",
]
