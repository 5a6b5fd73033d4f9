from .best_of import best_of_band, best_of_table, expected_best, expected_told, leave_one_seed_out
from .bootstrap import bootstrap_median
from .claims import ClaimResult, claims_frame, judge_claims
from .comparisons import Comparison, compare_scores, compare_successes, compared_pairs
from .configurations import Landscape, choose, find_edges, landscape, robustness, score_configurations
from .cost_profiles import cost_profile, cost_ratios, profile_score
from .costs import cost_table, success_cost_table
from .equivalence import equivalence_interval, is_within
from .factors import factor_odds, factor_rates
from .final_scores import trial_scores
from .interquartile import interquartile_interval, interquartile_mean
from .intervals import Interval, curve_half_width, effective_size, median_interval, paired_difference, quantile, wilson
from .outcome_counts import count_failures, count_outcomes
from .outcome_table import trial_outcomes
from .outperformance import Outperformance, paired_outperformance, read_evidence, unpaired_outperformance
from .paired_tests import holm, mcnemar_exact, sign_flip_exact
from .pairs_needed import mcnemar_pairs, mcnemar_power, noether_pairs
from .resampled_ranks import RankStability, rank_stability
from .score_bounds import ReferenceScores, reference_scores
from .score_summary import seed_share_table, summary_table
from .sensitivity import sensitivity_table
from .single_trials import select_trials, trial_table
from .success_rates import median_differences, paired_points, rate_table, success_curve, success_table, sustained_rates
from .survival import survival_curve, survival_table
from .trajectories import trajectory_quartiles
from .variance import share_within

__all__ = [
    "ClaimResult",
    "Comparison",
    "Interval",
    "Landscape",
    "Outperformance",
    "RankStability",
    "ReferenceScores",
    "best_of_band",
    "best_of_table",
    "bootstrap_median",
    "choose",
    "claims_frame",
    "compare_scores",
    "compare_successes",
    "compared_pairs",
    "cost_profile",
    "cost_ratios",
    "cost_table",
    "count_failures",
    "count_outcomes",
    "curve_half_width",
    "effective_size",
    "equivalence_interval",
    "expected_best",
    "expected_told",
    "factor_odds",
    "factor_rates",
    "find_edges",
    "holm",
    "interquartile_interval",
    "interquartile_mean",
    "is_within",
    "judge_claims",
    "landscape",
    "leave_one_seed_out",
    "mcnemar_exact",
    "mcnemar_pairs",
    "mcnemar_power",
    "median_differences",
    "median_interval",
    "noether_pairs",
    "paired_difference",
    "paired_outperformance",
    "paired_points",
    "profile_score",
    "quantile",
    "rank_stability",
    "rate_table",
    "read_evidence",
    "reference_scores",
    "robustness",
    "score_configurations",
    "seed_share_table",
    "select_trials",
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
    "trial_table",
    "unpaired_outperformance",
    "wilson",
]
