"""Figures of a suite's success rules: success rates over all thresholds, and the scores of each method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ganbench.report.colours import method_styles
from ganbench.report.plots import Picture as Picture
from ganbench.report.plots import Plot, list_pictures
from ganbench.report.plots import write_pictures as write_pictures
from ganbench.report.score_figure import draw_scores, scores_height
from ganbench.report.score_figure import spread_evenly as spread_evenly
from ganbench.report.shown import limit_values
from ganbench.report.style import SCREEN, Look
from ganbench.report.success_figure import curve_height, draw_curve
from ganbench.statistics.final_scores import headline, measurements, rule_scores
from ganbench.statistics.success_rates import success_curve
from ganbench.suite.success import SuccessRule

if TYPE_CHECKING:
    import pandas as pd

    from ganbench.results.frames import Frames


def list_figures(
    frames: Frames, rules: Sequence[SuccessRule], formats: Sequence[str] = ("png",), look: Look = SCREEN
) -> list[Picture]:
    """Return the figures of these rules, two for each rule that has scores: success rates, and scores."""
    return list_pictures(plan_figures(frames, rules), formats, look)


def plan_figures(frames: Frames, rules: Sequence[SuccessRule]) -> Iterator[Plot]:
    """Yield the two figures of each rule, and for what cannot be drawn the reason."""
    frames, _ = limit_values(frames, rules)
    styles = method_styles(frames)
    for rule in rules:
        for measurement in measurements(frames, rule):
            scores = rule_scores(frames, rule, measurement)
            metric = headline(frames, rule)
            success, all_scores = (f"{rule.dataset} {metric} {what}" for what in ("success", "scores"))
            if reason := find_lack(rule, scores):
                yield Plot(title=success, absent=reason)
                yield Plot(title=all_scores, absent=reason)
                continue
            if reason := find_curve_lack(rule, scores):
                yield Plot(title=success, absent=reason)
            else:
                curve = success_curve(frames, rule, measurement)
                baselines = baseline_scores(frames, rule, measurement)
                draw = partial(draw_curve, rule, curve, baselines, styles)
                yield Plot(title=success, draw=draw, height=partial(curve_height, curve, len(baselines)))
            draw = partial(draw_scores, rule, metric, scores, styles)
            yield Plot(title=all_scores, draw=draw, height=partial(scores_height, scores))


def find_lack(rule: SuccessRule, scores: pd.DataFrame) -> str:
    """Return why no figure can be drawn of these scores, empty where one can."""
    if scores.empty:
        return "no trial has been recorded with this score yet"
    if (scores["scored"] & np.isfinite(scores[rule.at])).any():
        return ""
    counts = {name: int(scores[name].sum()) for name in ("diverged", "undefined")}
    for status in ("failed", "timed-out"):
        counts[status.replace("-", " ")] = int(((scores["status"] == status) & ~scores["diverged"]).sum())
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"no trial has a finite score ({found or f'{len(scores)} trials'})"


def find_curve_lack(rule: SuccessRule, scores: pd.DataFrame) -> str:
    """Return why a rule has no curve of success rates although there are scores, empty where it has one."""
    if rule.metric is None:
        return "the rule is a condition alone, which has no threshold"
    if (scores["direction"] == "neutral").all():
        return "the metric is neutral, so no side of a threshold is better"
    return "" if (scores["scored"] & scores["holds"]).any() else "no trial with a finite score meets the condition"


def baseline_scores(frames: Frames, rule: SuccessRule, measurement: str | None) -> pd.DataFrame:
    """Return the finite scores of baselines and of the data itself by a rule's metric: sampler, trivial, value."""
    rows = frames.calibration
    rows = rows[(rows["dataset"] == rule.dataset) & (rows["name"] == rule.metric)]
    rows = rows[(rows["measurement"] == measurement) & np.isfinite(rows["value"].astype("float64"))]
    return rows[["sampler", "trivial", "value"]]
