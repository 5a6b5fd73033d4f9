from .data import Extractor, Source
from .events import Calibrating, Event, Finished, Lost, Progress, Started, Watched, Watcher
from .hooks import hookimpl
from .metrics import Direction, Evidence, Metric, Moments
from .models import Ask, Networks, Space, Spec
from .offers import KINDS, Example, Method, Offer, Report, Table, Use
from .records import Calibration, Record, Score, Status
from .training import Constraint, Draw, Dynamics, Input, Losses, Objective, Parameters, Play, Scalar, State, Term
from .trials import Batch, Budget, Measurement, Part, Recipe, Trial
from .version import API_VERSION, OLDEST_API
from .work import Work

__all__ = [
    "API_VERSION",
    "KINDS",
    "OLDEST_API",
    "Ask",
    "Batch",
    "Budget",
    "Calibrating",
    "Calibration",
    "Constraint",
    "Direction",
    "Draw",
    "Dynamics",
    "Event",
    "Evidence",
    "Example",
    "Extractor",
    "Finished",
    "Input",
    "Losses",
    "Lost",
    "Measurement",
    "Method",
    "Metric",
    "Moments",
    "Networks",
    "Objective",
    "Offer",
    "Parameters",
    "Part",
    "Play",
    "Progress",
    "Recipe",
    "Record",
    "Report",
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
    "hookimpl",
]
