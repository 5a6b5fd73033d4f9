from .conditions import Comparison, Condition
from .json_schema import make_json_schema
from .loading import list_suites, load, parse, restore
from .methods import MethodTable, OfferTable
from .success import SuccessRule, SuccessTable
from .suite import Suite
from .tables import DEFAULTS

__all__ = [
    "DEFAULTS",
    "Comparison",
    "Condition",
    "MethodTable",
    "OfferTable",
    "SuccessRule",
    "SuccessTable",
    "Suite",
    "list_suites",
    "load",
    "make_json_schema",
    "parse",
    "restore",
]
