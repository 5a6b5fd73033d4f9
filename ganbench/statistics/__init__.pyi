from .bootstrap import bootstrap_median
from .comparisons import Comparison, compare_scores, compare_successes, compared_pairs
from .costs import cost_table, success_cost_table
from .equivalence import equivalence_interval, is_within
from .factors import factor_odds, factor_rates
from .final_scores import trial_scores
from .intervals import Interval, curve_half_width, effective_size, median_interval, paired_difference, quantile, wilson
from .outcome_counts import count_failures, count_outcomes
from .outcome_table import trial_outcomes
from .paired_tests import holm, mcnemar_exact, sign_flip_exact
from .score_bounds import ReferenceScores, reference_scores
from .score_summary import seed_share_table, summary_table
from .sensitivity import sensitivity_table
from .success_rates import median_differences, paired_points, rate_table, success_curve, success_table, sustained_rates
from .survival import survival_curve, survival_table
from .trajectories import trajectory_quartiles
from .variance import share_within

__all__ = [
    "Comparison",
    "Interval",
    "ReferenceScores",
    "bootstrap_median",
    "compare_scores",
    "compare_successes",
    "compared_pairs",
    "cost_table",
    "count_failures",
    "count_outcomes",
    "curve_half_width",
    "effective_size",
    "equivalence_interval",
    "factor_odds",
    "factor_rates",
    "holm",
    "is_within",
    "mcnemar_exact",
    "median_differences",
    "median_interval",
    "paired_difference",
    "paired_points",
    "quantile",
    "rate_table",
    "reference_scores",
    "seed_share_table",
    "sensitivity_table",
    "share_within",
    "sign_flip_exact",
    "success_cost_table",
    "success_curve",
    "success_table",
    "summary_table",
    "survival_curve",
    "survival_table",
    "sustained_rates",
    "trajectory_quartiles",
    "trial_outcomes",
    "trial_scores",
    "wilson",
]
