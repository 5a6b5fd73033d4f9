from .driver import Session, run, run_events
from .environment import collect_facts
from .rebuild import rebuild_batch
from .rerun import RerunComparison, rerun_trial
from .rescore import Rescored, rescore
from .settings import Settings
from .worker import run_batch

__all__ = [
    "RerunComparison",
    "Rescored",
    "Session",
    "Settings",
    "collect_facts",
    "rebuild_batch",
    "rerun_trial",
    "rescore",
    "run",
    "run_batch",
    "run_events",
]
