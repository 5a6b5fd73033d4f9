from .driver import Session, run, run_events
from .environment import collect_facts
from .rebuild import rebuild_batch
from .rerun import RerunComparison, rerun_trial
from .rescore import RescoreResult, rescore_trials
from .settings import Settings
from .worker import run_batch

__all__ = [
    "RerunComparison",
    "RescoreResult",
    "Session",
    "Settings",
    "collect_facts",
    "rebuild_batch",
    "rerun_trial",
    "rescore_trials",
    "run",
    "run_batch",
    "run_events",
]
