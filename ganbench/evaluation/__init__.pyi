from .baselines import Sampler, baseline_samplers
from .best_snapshot import BestSnapshots
from .calibration import BaselineScorer, MeasurementProtocol
from .evidence import ModelEvidence
from .outcomes import OUTCOMES, Thresholds, Trajectory, outcome_steps
from .reference import Reference
from .scoring import score_model
from .success import beyond, meets, succeeds
from .trivial_thresholds import find_passing

__all__ = [
    "OUTCOMES",
    "BaselineScorer",
    "BestSnapshots",
    "MeasurementProtocol",
    "ModelEvidence",
    "Reference",
    "Sampler",
    "Thresholds",
    "Trajectory",
    "baseline_samplers",
    "beyond",
    "find_passing",
    "meets",
    "outcome_steps",
    "score_model",
    "succeeds",
]
