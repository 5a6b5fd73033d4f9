"""The floor of each package of the core. A package imports only packages on lower floors."""

from __future__ import annotations

FLOORS = {
    "errors": 1,
    "deprecation": 1,
    "escaping": 1,
    "moved": 1,
    "api": 2,
    "table": 2,
    "registry": 3,
    "results": 3,
    "suite": 4,
    "engine": 4,
    "evaluation": 5,
    "testing": 6,
    "plan": 6,
    "statistics": 6,
    "imports": 6,
    "runner": 7,
    "report": 8,
    "progress": 8,
    "page": 9,
    "creation": 9,
    "cli": 10,
    "__main__": 11,
}
