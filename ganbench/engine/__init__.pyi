from .jacobian import step_jacobian
from .numerics import ENGINE_NUMERICS
from .restore import restore_snapshot
from .snapshot import Snapshot
from .train import Training, prepare

__all__ = [
    "ENGINE_NUMERICS",
    "Snapshot",
    "Training",
    "prepare",
    "restore_snapshot",
    "step_jacobian",
]
