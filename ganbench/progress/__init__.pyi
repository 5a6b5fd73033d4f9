from .estimate import Estimate, estimate_cost
from .eta import Forecast
from .live import LiveDisplay
from .status import Status
from .watch import watch_run

__all__ = [
    "Estimate",
    "Forecast",
    "LiveDisplay",
    "Status",
    "estimate_cost",
    "watch_run",
]
