"""Tables of tuned methods: what was chosen and what it is worth, the expected best of k, and all configurations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganbench.api.metrics import metric_title
from ganbench.report.words import join_words, plural, shorten_list
from ganbench.statistics.best_of import FRESH_SEEDS, LEFT_OUT_SEED, SAME_SEEDS
from ganbench.statistics.tunings import Tuning, read_tunings
from ganbench.suite.configurations import write_plain
from ganbench.table import Table

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

MOST_CONFIGURATIONS = 20
"""Configurations of one method in the table of all of them, at most: the best ones."""

TOLD = {
    SAME_SEEDS: "the seeds that picked it: this is too optimistic, the more so the larger k. Tune on two seeds or "
    'more, or train all configurations on fresh seeds ([tuning] with report = "all")',
    LEFT_OUT_SEED: "a tuning seed that was left out while the mean of the others picked it, averaged over the seeds",
    FRESH_SEEDS: "the report seeds, which took no part in picking",
}
"""On which seeds the expected best of k is told, in words."""

NARROW = {
    "beyond a quarter": "beyond a quarter: k is more than a quarter of some method's configurations, and the interval "
    "is too narrow there.",
    "beyond half": "beyond half: k is more than half of them, and the number hangs on the few best configurations.",
}
"""What the column `trust` says of large k."""

CHOICE = "Tuning on"
"""How the title of the table of what was chosen begins."""

SINGLE, UNKNOWN = "nothing is varied", "not known"
"""In place of settings: the method has one configuration; the choice is none of the suite's."""


def tuning_tables(frames: Frames) -> Iterator[Table]:
    """Yield the tables of each tuned dataset; nothing where the suite varies no options.

    Where nothing is chosen, each configuration is a method of the other tables, so none lists them again.
    """
    for tuning in read_tunings(frames):
        yield choice_table(tuning)
        if len(tuning.best_of):
            yield best_of_k_table(tuning)
        if tuning.suite.tunes:
            yield configurations_table(tuning)


def choice_table(tuning: Tuning) -> Table:
    """Return what was chosen of each method, and what it is worth on the trials of its report."""
    robust = {row["swept"]: row for row in tuning.robustness.to_dict("records")}
    chosen = {row["swept"]: row for row in tuning.chosen.to_dict("records")}
    rates = ("rate", "rate_low", "rate_high")
    rows: list[dict[str, Any]] = []
    for report in list_reports(tuning):
        method = report["swept"]
        best, all_of_it = chosen.get(method, {}), robust.get(method, {})
        row = {
            "method": method,
            "configurations": all_of_it.get("configurations", 1),
            "dead": all_of_it.get("dead_configurations"),
            "chosen": describe_settings(tuning, best["label"]) if best else UNKNOWN if all_of_it else SINGLE,
            "tuning_score": best.get("score"),
        }
        if tuning.held_out:
            row |= {name: report.get(name) for name in ("dataset", "score", "low", "high", "n", "worse")}
        else:
            row |= {"n": best["trials"], "successes": f"{best['reached']} of {best['trials']}"}
        row |= {f"all_{name}": all_of_it.get(name) for name in rates}
        rows.append(row | ({f"tuned_{name}": report.get(name) for name in rates} if tuning.held_out else {}))
    frame = pd.DataFrame(rows)
    if tuning.held_out and frame["dataset"].nunique() <= 1:
        frame = frame.drop(columns="dataset")
    return Table(
        title=f"{CHOICE} {tuning.sweep.dataset}",
        frame=frame,
        notes=tuple(choice_notes(tuning)),
        headings={
            "dead": "dead configurations",
            "chosen": "chosen" if tuning.held_out else "best",
            "tuning_score": f"{name_score(tuning)}, tuning" if tuning.held_out else name_score(tuning),
            "dataset": "reported on",
            "score": f"{name_score(tuning)}, report",
            "worse": "worse by",
            "successes": "its successes",
            "all_rate": "success of all",
            "tuned_rate": "success, tuned",
        },
        intervals={
            name: ends
            for name, ends in {
                "score": ("low", "high"),
                **{f"{of}_rate": (f"{of}_rate_low", f"{of}_rate_high") for of in ("all", "tuned")},
            }.items()
            if name in frame
        },
    )


def list_reports(tuning: Tuning) -> list[dict[Any, Any]]:
    """Return a row for each dataset and method that is reported (`Tuning.reports`), and the name of each other one."""
    reports = tuning.reports.to_dict("records") if tuning.held_out else []
    return reports + [{"swept": name} for name in tuning.methods if name not in set(tuning.reports["swept"])]


def name_score(tuning: Tuning) -> str:
    """Return the score that chooses, in words: "final FID"."""
    return f"{tuning.sweep.rule.at} {metric_title(str(tuning.sweep.rule.metric))}"


def describe_settings(tuning: Tuning, label: str) -> str:
    """Return the settings of a configuration, as a suite writes them: "optimizer.lr = 0.0001"."""
    settings = tuning.suite.configurations[label].settings
    return ", ".join(f"{option} = {write_plain(value)}" for option, value in settings.items())


def choice_notes(tuning: Tuning) -> Iterator[str]:
    """Yield how the choice is made, on which seeds, how fair the comparison is, and where the best lies at an edge."""
    trials, suite = tuning.sweep.trials, tuning.suite
    architectures = plural(trials["architecture"].nunique(), "architecture")
    seeds = list_seeds(trials["seed"])
    verb = "chosen" if tuning.held_out else "best"
    yield (
        f"{verb}: of each method's configurations the one with the best {name_score(tuning)} "
        f"({tuning.sweep.direction} is better), the mean over {architectures} and {seeds}; one with fewer dead trials "
        "comes first. dead: with a trial that diverged, failed, timed out or has no finite score."
    )
    yield from (held_out_notes if tuning.held_out else same_seed_notes)(tuning)
    yield (
        "success of all: the success rate over all configurations, which is what is reached without a choice; in "
        "brackets Wilson's 95% interval, the unit is the configuration."
    )
    yield describe_budgets(tuning)
    for row in tuning.edges.to_dict("records"):
        if row["edge"]:
            further = (
                f"; try {row['edge'].replace('est', 'er')} ones" if row["value"] else ""
            )  # 0 often has none beyond
            yield f"{row['swept']}: {row['note']}{further}."
    if tuning.held_out:
        yield describe_tuning_trials(tuning)
    elif missing := int((tuning.frames.trials["status"] == "missing").sum()):
        yield f"Not recorded yet and not counted: {plural(missing, 'planned trial')}. Another best may turn out."
    if suite.tunes and not tuning.held_out:
        yield "Nothing is reported yet: `ganbench run` trains the chosen configurations on fresh seeds."


def held_out_notes(tuning: Tuning) -> Iterator[str]:
    """Yield what the report rests on, and how far the tuning was too optimistic."""
    frames, fresh = tuning.frames, tuning.suite.tuning is not None and tuning.suite.tuning.report_architectures
    more = f" and {plural(int(fresh or 0), 'fresh architecture')}" if fresh else ""
    yield f"Reported on {list_seeds(frames.trials['seed'])}{more}, which took no part in the choice."
    yield (
        "report: the mean as in tuning; in brackets Student's 95% interval over architectures, or over the seeds of a "
        "single one; inf or -inf, without an interval, if a trial has no finite score. worse by: how much worse the "
        "report is than the tuning said, because the best was picked partly by luck. All other tables are of the n "
        "trials of the report."
    )
    for table in tuning.suite.dataset:
        if table.tuned_on == tuning.sweep.dataset:
            yield f"{table.title}: with the configurations chosen on {table.tuned_on}."


def same_seed_notes(tuning: Tuning) -> Iterator[str]:
    """Yield that the best score is too optimistic, and the way out."""
    if not tuning.suite.tunes:
        yield (
            "The best score is too optimistic: the same trials picked it and say how good it is, so nothing was held "
            "out. The way out: [tuning] with report_seeds, as in report_seeds = 10, trains the best on fresh seeds."
        )


def describe_budgets(tuning: Tuning) -> str:
    """Return whether the methods had equal tuning budgets, and the suite's reason where they had not."""
    counts = {name: len(tuning.suite.configurations_of(name)) or 1 for name in tuning.suite.declared_methods}
    if len(set(counts.values())) == 1:
        each = plural(counts.popitem()[1], "configuration")
        return f"Comparisons of the methods are at equal tuning budgets: {each} each."
    listed = join_words(shorten_list([f"{name} {count}" for name, count in counts.items()]))
    reason = tuning.suite.tuning.unequal if tuning.suite.tuning is not None else None
    why = f" The suite's reason: {reason}" if reason else ""
    return f"Caution: the tuning budgets are unequal ({listed} configurations), and more tries make a better best.{why}"


def describe_tuning_trials(tuning: Tuning) -> str:
    """Return how many trials were tuned on, and how many of them were lost, which no other table counts."""
    counts = tuning.counts
    lost = [f"{counts[name]} {name.replace('_', ' ')}" for name in ("diverged", "failed", "timed_out") if counts[name]]
    words = ", ".join([plural(counts["planned"], "trial"), *(lost or ["none diverged or failed"])])
    return f"tuning: {words}. `ganbench trials RESULTS` lists them too."


def list_seeds(seeds: pd.Series[int]) -> str:
    """Return different seeds in words: "seed 3", "seeds 0 and 1", "seeds 2 to 11"."""
    found = sorted({int(seed) for seed in seeds})
    if len(found) > 2 and found == [*range(found[0], found[-1] + 1)]:
        return f"seeds {found[0]} to {found[-1]}"
    return f"seed{'s' * (len(found) > 1)} {join_words(shorten_list([str(seed) for seed in found]))}"


def best_of_k_table(tuning: Tuning) -> Table:
    """Return the expected best of k configurations: a row for each k that is read, a column for each method."""
    table = tuning.best_of
    methods = list(dict.fromkeys(table["method"]))
    rows: list[dict[str, Any]] = []
    for k in thin_counts(table):
        here = table[table["k"] == k].set_index("method")
        row: dict[str, Any] = {"k": k}
        for place, method in enumerate(methods):
            ends = {"": "expected", "_low": "low", "_high": "high"}
            known = method in here.index
            row |= {f"method_{place}{end}": here.at[method, name] if known else None for end, name in ends.items()}
        rows.append(row | {"trust": judge_trust(here)})
    told = str(table["told"].iloc[0])
    counts = ", ".join(
        f"{method} {own['configurations'].iloc[0]} ({own['dead'].iloc[0]} dead)"
        for method, own in table.groupby("method", sort=False)
    )
    names = [f"method_{place}" for place in range(len(methods))]
    frame = pd.DataFrame(rows)
    return Table(
        title=f"Expected best of k configurations on {tuning.sweep.dataset}",
        frame=frame,
        notes=(
            f"The {name_score(tuning)} ({tuning.sweep.direction} is better) of the best of k configurations, the mean "
            "over all choices of k: what a smaller budget for tuning would have bought. Compare methods at the same k. "
            "It is infinite as soon as k configurations can all be dead.",
            f"Told on {TOLD[told]}.",
            "In brackets: the 95% interval by resampling configurations; none for fewer than six. Of a grid it is the "
            "spread only.",
            *(NARROW[word] for word in NARROW if word in set(frame["trust"])),
            f"Configurations: {counts}.",
        ),
        headings=dict(zip(names, methods, strict=True)) | {"trust": "k of all"},
        intervals={name: (f"{name}_low", f"{name}_high") for name in names},
    )


def thin_counts(table: pd.DataFrame) -> list[int]:
    """Return the k of a `best_of` table that are read: the powers of two, and the number of each method's own."""
    most = [int(count) for count in table.groupby("method", sort=False)["k"].max()]
    return sorted({*(2**power for power in range(max(most).bit_length())), *most})


def judge_trust(rows: pd.DataFrame) -> str:
    """Return how far these rows of a `best_of` table can be trusted: a key of `NARROW`, or ""."""
    if rows["beyond_half"].any():
        return "beyond half"
    return "beyond a quarter" if (4 * rows["k"] > rows["configurations"]).any() else ""


def configurations_table(tuning: Tuning) -> Table:
    """Return the configurations that were tried, of each method the best first."""
    higher = tuning.sweep.direction == "higher"
    chosen = set(tuning.chosen["label"])
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []
    for method, own in tuning.scores.groupby("swept", sort=False):
        order = own.assign(loss=own["finite_score"] * (-1 if higher else 1))
        order = order.sort_values(["dead", "loss", "configuration"], kind="stable")
        if more := len(order) - MOST_CONFIGURATIONS:
            left_out += [f"{method} {more}"] * (more > 0)
        for row in order.head(MOST_CONFIGURATIONS).to_dict("records"):
            settings = describe_settings(tuning, row["label"])
            shown = {"method": method, "settings": settings, "chosen": row["label"] in chosen, "score": row["score"]}
            rows.append(shown | {name: row[name] for name in ("finite_score", "dead", "reached", "trials")})
    notes = [
        f"{name_score(tuning)} ({tuning.sweep.direction} is better) on the tuning trials, the best first; of finite: "
        "the mean of the finite scores alone. dead, reached: trials without a finite score, and those that succeed.",
    ]
    if left_out:
        notes.append(f"Worse ones are left out: {', '.join(left_out)}. `ganbench trials RESULTS` lists their trials.")
    frame = pd.DataFrame(rows)
    return Table(
        title=f"Configurations on {tuning.sweep.dataset}",
        frame=frame if frame["dead"].any() else frame.drop(columns="finite_score"),
        notes=tuple(notes),
        headings={"score": name_score(tuning), "finite_score": "of finite", "trials": "n"},
    )
