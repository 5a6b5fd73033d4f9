"""Whether trainings repeated on another machine come from the distribution of the recorded ones.

Training is chaotic: another rounding makes other numbers, so single scores of two machines need not agree. What must
agree is their distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganbench.errors import GanbenchError
from ganbench.statistics.final_scores import compared_values, measurements, rule_scores, successes
from ganbench.statistics.paired_tests import holm, sign_flip_exact
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.results.frames import Frames

EXACT = 100_000
"""With ties, up to so many ways to divide the scores are counted, else so many are drawn. 5 of 25 have 53,130."""

LEVEL = 0.05
"""The chance of a false alarm, over all datasets together."""


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """Trials of one method on a dataset, trained again, against recorded ones.

    `trained` and `recorded` are how many there are, `successes` how many of each succeed by the dataset's first rule,
    and `medians` are those of their scores. `equal` counts the trials whose score is the recorded one to the last bit.
    `p` is that of the permutation test of the scores, 1 where all are equal; `p_holm` is adjusted for all datasets.
    `paired` is whether trials were compared with the recorded ones of the same architecture and seed only.
    """

    dataset: str
    trained: int
    recorded: int
    successes: tuple[int, int]
    medians: tuple[float, float]
    equal: int
    paired: bool
    p: float
    p_holm: float = float("nan")

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against one distribution."""
        return self.p_holm >= LEVEL


def check_reproduction(trained: Frames, recorded: Frames, rule: SuccessRule, method: str) -> Reproduction:
    """Return whether the trials of a method that were trained again, on the dataset of a rule, reproduce the records.

    `recorded` holds the records of the same cells, and of others. With one architecture the scores of both sides are
    compared by a rank-sum test; with several, each score with that of the same architecture and seed. Raise
    GanbenchError where no trial was trained again, or where the sides were not measured alike.
    """
    ways = [measurements(frames.take(select_keys(frames, method)), rule) for frames in (trained, recorded)]
    if None not in (*ways[0], *ways[1]) and not {*ways[0]} & {*ways[1]}:  # None: no trial has a score
        raise GanbenchError(
            f"{method} on {rule.dataset}: scores here are measured in another way than the records are, as by "
            "another version of a library. --retrain trains all of it here and compares with that."
        )
    here, there = (read_scores(frames, rule, method) for frames in (trained, recorded))
    both = here.merge(there, on=["architecture", "seed"], suffixes=("", "_recorded"))
    if both.empty:
        raise GanbenchError(
            f"{method} on {rule.dataset}: no trial was trained again that has a record, so nothing says whether this "
            "machine reproduces it. --retrain trains all of them here."
        )
    x, y = both["score"].to_numpy(), both["score_recorded"].to_numpy()
    equal, paired = int((x == y).sum()), there["architecture"].nunique() > 1
    other = y if paired else there["score"].to_numpy()
    return Reproduction(
        dataset=rule.dataset,
        trained=len(x),
        recorded=len(other),
        successes=(int(both["success"].sum()), int((both["success_recorded"] if paired else there["success"]).sum())),
        medians=(float(np.median(x)), float(np.median(other))),
        equal=equal,
        paired=paired,
        p=1.0 if equal == len(x) else paired_rank_test(x, y) if paired else rank_sum_test(x, other),
    )


def read_scores(frames: Frames, rule: SuccessRule, method: str) -> pd.DataFrame:
    """Return the scores of a method by a rule, and which succeed: architecture, seed, score, success.

    A trial without a score has the worst possible one.
    """
    own = frames.take(select_keys(frames, method))
    scores = rule_scores(own, rule)
    found = scores[["architecture", "seed"]].assign(score=compared_values(scores, rule.at))
    return found.assign(success=successes(scores, rule.at, rule.primary))


def select_keys(frames: Frames, method: str) -> pd.Series[str]:
    """Return the keys of a method's trials."""
    return frames.trials.loc[frames.trials["method"] == method, "key"]


def adjust_checks(checks: Sequence[Reproduction]) -> list[Reproduction]:
    """Return the checks of several datasets with their p-values adjusted by Holm's method."""
    adjusted = holm([each.p for each in checks])
    return [replace(each, p_holm=p) for each, p in zip(checks, adjusted, strict=True)]


def rank_sum_test(x: ArrayLike, y: ArrayLike) -> float:
    """Return the exact two-sided p-value of the rank-sum test of two samples [n], [m]; ties have mean ranks.

    Scores may be infinite. F. Wilcoxon, Biometrics Bulletin 1 (1945).
    """
    from scipy.stats import mannwhitneyu, permutation_test

    first, second = np.asarray(x, float), np.asarray(y, float)
    ranks = rank(np.concatenate([first, second]))
    if len(np.unique(ranks)) == len(ranks):
        return float(mannwhitneyu(first, second, method="exact").pvalue)
    drawn = permutation_test(
        (ranks[: len(first)], ranks[len(first) :]),
        lambda a, _, axis: a.sum(axis=axis),
        vectorized=True,
        n_resamples=EXACT,
        rng=np.random.default_rng(0),
    )
    return float(drawn.pvalue)


def paired_rank_test(x: ArrayLike, y: ArrayLike) -> float:
    """Return the two-sided p-value of the exact sign-flip test of paired scores [n], on their ranks among all 2n.

    1 where no pair differs. Scores may be infinite.
    """
    first = np.asarray(x, float)
    ranks = rank(np.concatenate([first, np.asarray(y, float)]))
    p = sign_flip_exact((2 * (ranks[: len(first)] - ranks[len(first) :])).astype(int).tolist())
    return 1.0 if np.isnan(p) else p


def rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of values [n], from 1 on; equal values have the mean of theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), float)
