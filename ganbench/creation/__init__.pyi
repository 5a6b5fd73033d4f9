from .packages import create_package, list_kinds
from .suites import SuiteAnswers, create_suite

__all__ = [
    "SuiteAnswers",
    "create_package",
    "create_suite",
    "list_kinds",
]
