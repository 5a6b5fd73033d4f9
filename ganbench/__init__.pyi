from .api.cache_folder import find_cache_folder
from .api.data import Extractor, Source
from .api.events import Event, Finished, Lost, Progress, Started, Watched, Watcher
from .api.file_hash import hash_files
from .api.hooks import hookimpl
from .api.metrics import Evidence, Metric, ProbeStep, Profile
from .api.models import Ask, Networks, Space, Spec
from .api.offers import Example, Method, Offer, Report, Table, Use
from .api.records import Record, Score, Status
from .api.training import Constraint, Draw, Dynamics, Input, Losses, Objective, Parameters, Play, Scalar, State, Term
from .api.trials import Batch, Trial
from .api.version import API_VERSION
from .api.work import Work
from .errors import GanbenchError, NotInstalled, RunFailed
from .page.assembly import write_page
from .report.comparison import Comparison, compare
from .results.store import read
from .runner.driver import run

__version__: str

__all__ = [
    "API_VERSION",
    "Ask",
    "Batch",
    "Comparison",
    "Constraint",
    "Draw",
    "Dynamics",
    "Event",
    "Evidence",
    "Example",
    "Extractor",
    "Finished",
    "GanbenchError",
    "Input",
    "Losses",
    "Lost",
    "Method",
    "Metric",
    "Networks",
    "NotInstalled",
    "Objective",
    "Offer",
    "Parameters",
    "Play",
    "ProbeStep",
    "Profile",
    "Progress",
    "Record",
    "Report",
    "RunFailed",
    "Scalar",
    "Score",
    "Source",
    "Space",
    "Spec",
    "Started",
    "State",
    "Status",
    "Table",
    "Term",
    "Trial",
    "Use",
    "Watched",
    "Watcher",
    "Work",
    "compare",
    "find_cache_folder",
    "hash_files",
    "hookimpl",
    "read",
    "run",
    "write_page",
]
