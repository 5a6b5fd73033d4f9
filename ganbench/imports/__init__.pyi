from .folder import Imported, import_runs
from .suites import Reading

__all__ = [
    "Imported",
    "Reading",
    "import_runs",
]
