"""The sections on success: the question and the verdict, rates over all thresholds, scores, pairs of methods."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ganbench.evaluation.success import describe_sustained
from ganbench.page import charts
from ganbench.page.blocks import Block, Chart, Section, Words, fold_table
from ganbench.page.packing import choose_evenly, show_text
from ganbench.page.palette import Palette
from ganbench.page.readings import Reading, list_readings, place_methods
from ganbench.page.source import Source
from ganbench.page.trials import number_trials, sampling_note
from ganbench.report.figures import baseline_scores, spread_evenly
from ganbench.report.success_tables import success_tables
from ganbench.statistics.intervals import quantile
from ganbench.statistics.success_rates import comparable_values, success_curve
from ganbench.table import format_value

CURVE_POINTS = 200
"""Points of one curve on the page, at most."""


def curve_section(source: Source, palette: Palette) -> Section:
    """Return the section of success rates over all thresholds."""
    blocks: list[Block] = []
    for reading in list_readings(source):
        has_thresholds = reading.rule.metric is not None and reading.direction != "neutral"
        if has_thresholds and (chart := curve_chart(source, palette, reading)):
            blocks.append(chart)
    blocks += [fold_table(table) for table in success_tables(source.shown, source.rules)]
    return Section(
        name="success",
        title="Success at every threshold",
        how="Each line is the share of a method's trials that succeed at the threshold below it: a higher line is "
        "better, and where bands do not overlap at any threshold, the methods differ.",
        blocks=blocks,
    )


def curve_chart(source: Source, palette: Palette, reading: Reading) -> Chart | None:
    """Return the chart of one rule's success rates over all thresholds; None where no trial has a score."""
    rule = reading.rule
    curve = success_curve(source.shown, rule, reading.measurement)
    if curve.empty:
        return None
    parts = [rows.iloc[choose_evenly(len(rows), CURVE_POINTS)] for _, rows in curve.groupby("method", sort=False)]
    points = pd.concat(parts, ignore_index=True)
    easiest = ~points["method"].duplicated()  # a hair easier than the worst score: a hair that survives rounding
    room = 0.002 * (points["threshold"].max() - points["threshold"].min())
    points.loc[easiest, "threshold"] += room if reading.direction == "lower" else -room
    marks = pd.DataFrame(
        [
            {"name": "primary threshold" if value == rule.primary else "threshold", "value": value}
            for value in rule.thresholds
        ],
        columns=["name", "value"],
    )
    axis = reading.axis
    if rule.sustained > 1:
        axis = axis.removeprefix(f"{rule.at} ") + describe_sustained(rule)
    span = (points["threshold"].min(), points["threshold"].max())
    baselines, notes = mark_baselines(source, reading, span)
    if len(points) < len(curve):
        notes.append(f"Each curve is drawn by {CURVE_POINTS} of its points, evenly spread.")
    rates = [
        f"{show_text(method)} {np.mean(rows['rate'].to_numpy()[-1:]):.0%}" for method, rows in curve.groupby("method")
    ]
    return Chart(
        title=reading.title,
        alt=f"Success rates over the thresholds of {axis}, a line with a 95% band for each method: "
        f"{', '.join(rates[:8])} at the hardest threshold shown. The numbers are in the tables below.",
        spec=charts.success_spec(palette, points["threshold"], reading.direction, f"threshold of {axis}", len(parts)),
        frames={
            "curve": points[["method", "threshold", "rate", "low", "high"]],
            "marks": marks[marks["name"] == "primary threshold"],
            "baselines": baselines,
            "values": recounted_values(source, reading),
        },
        recount=reading.direction,
        notes=[explain_band(len(parts)) + " Dashed: the primary threshold, the one tested.", *notes],
        methods=place_methods(source, curve["method"]),
    )


def explain_band(methods: int) -> str:
    """Return what the bands of a chart say, or why it has none."""
    if methods > charts.MOST_BANDS:
        return "With so many methods there are no bands here; they are in the table. Choose a method above."
    return "The band holds the whole line with 95% confidence."


def recounted_values(source: Source, reading: Reading) -> pd.DataFrame:
    """Return what decides the success of each trial on the page: t, v (NaN where it fails at every threshold)."""
    values = comparable_values(reading.scores, reading.rule.at)
    rows = pd.DataFrame({"t": number_trials(source, reading.scores["key"]), "v": values})
    return rows[rows["t"] >= 0]


def mark_baselines(source: Source, reading: Reading, span: tuple[float, float]) -> tuple[pd.DataFrame, list[str]]:
    """Return the calibration lines within this span of scores, and a note that lists all of them with their scores."""
    found = baseline_scores(source.frames, reading.rule, reading.measurement).sort_values("value", kind="stable")
    named = pd.DataFrame({"name": found["sampler"], "value": found["value"].astype("float64")})
    if named.empty:
        return named, []
    listed = [f"{show_text(name)} {format_value(value)}" for name, value in named.itertuples(index=False)]
    inside = named[named["value"].between(*span)]
    missing = f" ({len(named) - len(inside)} beyond the axis)" if len(inside) < len(named) else ""
    return inside, [f"Grey lines: real data and untrained samplers{missing}: {', '.join(listed)}."]


def scores_section(source: Source, palette: Palette) -> Section:
    """Return the section of every trial's score, and of final against best scores."""
    blocks: list[Block] = []
    for reading in list_readings(source):
        if chart := scores_chart(source, palette, reading):
            blocks.append(chart)
        if chart := final_best_chart(source, palette, reading):
            blocks.append(chart)
    if note := sampling_note(source):
        blocks.append(Words(paragraphs=note))
    return Section(
        name="scores",
        title="Scores of every trial",
        how="Each point is a trial: choose one to see its course below; the bar spans the quartiles of all trials of a "
        "method, the stroke is their median, and crosses are trials without a score, which count as worst.",
        blocks=blocks,
    )


def scores_chart(source: Source, palette: Palette, reading: Reading) -> Chart | None:
    """Return the chart of every trial's score in the lane of its method; None where no trial has a score."""
    scores, at = reading.scores, reading.rule.at
    values = scores[at].to_numpy(float)
    edge = charts.find_edge(values, reading.direction)
    if edge is None:
        return None
    scored = scores["scored"].to_numpy(bool) & np.isfinite(values)
    rows = pd.DataFrame(
        {
            "t": number_trials(source, scores["key"]),
            "value": np.where(scored, values, edge),
            "score": np.where(scored, values, np.nan),
            "none": ~scored,
        }
    )
    places = scores.groupby("method", sort=False).cumcount().to_numpy()
    rows["jitter"] = np.round(spread_evenly(len(rows))[places] / 0.3, 2)
    rows = rows[rows["t"] >= 0]
    summary = pd.DataFrame(
        [
            {"method": method, **{name: quantile(group[at], share) for name, share in SHARES.items()}}
            for method, group in scores.groupby("method", sort=False)
        ]
    ).replace([np.inf, -np.inf], edge)
    span = (min(edge, values[scored].min()), max(edge, values[scored].max()))
    baselines, notes = mark_baselines(source, reading, span)
    marks = pd.DataFrame({"name": ["primary threshold"], "value": [reading.rule.primary]}).dropna()
    counts = [
        f"{show_text(method)}: {int((~scored[group]).sum())} of {len(group)} without a score"
        for method, group in ((m, np.flatnonzero(scores["method"] == m)) for m in scores["method"].unique())
        if not scored[group].all()
    ]
    notes += [f"{'; '.join(counts)} (crosses at the worst end)."] if counts else []
    medians = [f"{show_text(row.method)} {format_value(row.median)}" for row in summary.itertuples(index=False)]
    return Chart(
        title=f"{show_text(reading.rule.dataset)}: {reading.axis}",
        alt=f"The {reading.axis} of every trial, a lane for each method. Medians: {', '.join(medians[:8])}.",
        spec=charts.scores_spec(palette, [*values[scored], edge], reading.axis, scores["method"].nunique()),
        frames={"rows": rows, "summary": summary, "marks": marks, "baselines": baselines},
        notes=notes,
        methods=place_methods(source, scores["method"]),
    )


SHARES = {"q25": 0.25, "median": 0.5, "q75": 0.75}


def final_best_chart(source: Source, palette: Palette, reading: Reading) -> Chart | None:
    """Return the scatter of final against best scores; None where nothing was measured along the training."""
    scores = reading.scores
    both = np.isfinite(scores["final"].to_numpy(float)) & np.isfinite(scores["best"].to_numpy(float))
    both &= scores["scored"].to_numpy(bool)
    if reading.direction == "neutral" or not scores["fresh"].any() or not both.any():
        return None
    shown = scores[both]
    rows = pd.DataFrame({"t": number_trials(source, shown["key"]), "best": shown["best"], "final": shown["final"]})
    known = shown[["final", "best"]].to_numpy(float)
    ends = pd.DataFrame({name: [known.min(), known.max()] for name in ("best", "final")})
    worse = "above" if reading.direction == "lower" else "below"
    return Chart(
        title=f"{show_text(reading.rule.dataset)}: final against best {reading.metric}",
        alt=f"A scatter of the final against the best {reading.metric} of {len(rows)} trials that have both.",
        spec=charts.final_best_spec(palette, [*shown["final"], *shown["best"]], reading.metric),
        frames={"rows": rows[rows["t"] >= 0], "diagonal": ends},
        notes=[f"A trial {worse} the dashed line ended worse than it once was. Best scores are of fresh samples."],
        methods=place_methods(source, shown["method"]),
    )
