from .folder import Imported, Reading, import_runs

__all__ = [
    "Imported",
    "Reading",
    "import_runs",
]
