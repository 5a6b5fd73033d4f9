"""The sections on the suite: the question, outcomes and failures, costs, sensitivity, protocol and citation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ganbench.api.records import TRAINED
from ganbench.api.trials import IMPORTED
from ganbench.errors import GanbenchError, find_reason
from ganbench.escaping import escape_unprintable
from ganbench.page.blocks import Block, PageTable, Section, TrialList, Words, fold_table
from ganbench.page.packing import show_text
from ganbench.page.source import Source, show_folder
from ganbench.page.trials import describe_architectures, describe_outcomes, number_trials
from ganbench.page.tuning_section import tuning_words
from ganbench.report.extractors import describe_all_features
from ganbench.report.notes import import_notes
from ganbench.report.paired_tables import seed_share_tables, success_cost_tables
from ganbench.report.sensitivity_tables import make_sensitivity_tables
from ganbench.report.sides import list_import_notes
from ganbench.report.tables import costs_table, history_table, outcome_counts_table
from ganbench.report.trial_tables import retrain_command
from ganbench.report.verdict import make_verdicts
from ganbench.report.words import plural
from ganbench.results.history import describe_import
from ganbench.statistics.imported_trials import are_imported
from ganbench.statistics.outcome_table import trial_outcomes

if TYPE_CHECKING:
    from ganbench.results.frames import Frames

MOST_VERDICTS = 8
"""Verdicts that are read at a glance; more of them are in a table."""

MOST_FAILURES = 200
"""Failed and diverged trials that the page lists, at most."""

CITATION = "The ganbench authors. ganbench: a divergence benchmark for GANs. Version {version}."


def question_section(source: Source) -> Section:
    """Return the section of the question and the answer to it."""
    trials = source.frames.trials
    counts = [plural(trials[name].nunique(), name) for name in ("dataset", "method", "architecture", "seed")]
    size = f"{plural(trials['key'].nunique(), 'trial')}: {', '.join(counts)}."
    if tuned := source.frames.tuning:
        size += f" Their methods were tuned on {plural(tuned.trials['key'].nunique(), 'other trial')}."
    compared = source.comparison
    verdicts = compared.verdicts if compared else make_verdicts(source.frames, source.rules)
    shown: list[Block] = [
        Words(
            title=escape_unprintable(each.title), paragraphs=list(map(escape_unprintable, each.sentences)), strong=True
        )
        for each in verdicts[:MOST_VERDICTS]
    ]
    if more := verdicts[MOST_VERDICTS:]:
        rows = [[escape_unprintable(text) for text in (each.title, " ".join(each.sentences))] for each in more]
        shown.append(PageTable(title=f"{len(more)} more comparisons", head=("of", "verdict"), rows=rows, notes=()))
    return Section(
        name="verdict",
        title="The question and the verdict",
        how="The verdict is made from the statistics below and nothing else.",
        blocks=[
            Words(paragraphs=[escape_unprintable(source.suite.question), size]),
            *[Words(title="Trained elsewhere", paragraphs=notes) for notes in [explain_imports(source)] if notes],
            *shown,
        ],
    )


def explain_imports(source: Source) -> list[str]:
    """Return the notes on trials that were trained elsewhere; of a comparison, those of each side that has any."""
    sides = source.comparison.opened if source.comparison else ()
    return list(map(escape_unprintable, list_import_notes(sides) if sides else import_notes(source.frames)))


def failures_section(source: Source) -> Section:
    """Return the section of failed and diverged trials: each with its reason and the command that trains it again."""
    trials = source.frames.trials.drop_duplicates("key")
    diverged = trials["key"].map(trial_outcomes(source.frames)["diverged"]).eq(True)
    bad = trials[(trials["status"] != "missing") & (diverged | ~trials["status"].isin(TRAINED))]
    shown = bad.head(MOST_FAILURES).reset_index(drop=True)
    numbers = number_trials(source, shown["key"])
    located = [source.locate(key) for key in shown["key"]]
    ends = describe_outcomes(source, shown)
    words = describe_architectures(source, shown["architecture"])
    rows = [
        (
            int(numbers[place]),
            located[place][1],
            (
                show_text(row["dataset"]),
                show_text(row["method"]),
                show_text(words[place]),
                str(row["seed"]),
                ends[place],
                show_text(find_reason(row["error"])) if row["error"] else "",
                escape_unprintable(retrain_command(source.homes[located[place][0]], *located[place], row["status"]))
                if row["mode"] != IMPORTED
                else "trained elsewhere",
            ),
        )
        for place, row in enumerate(shown.to_dict("records"))
    ]
    notes = []
    if len(bad) > len(shown):
        notes.append(f"{len(bad) - len(shown)} more are not listed here; `ganbench table` counts all of them.")
    head = ("trial", "dataset", "method", "architecture", "seed", "ended", "reason", "train it again")
    listed = TrialList(title=f"{len(bad)} trials diverged, failed or timed out", head=head, rows=rows, notes=notes)
    nothing = Words(paragraphs=["No trial diverged, failed or timed out."])
    return Section(
        name="failures",
        title="Failed and diverged trials",
        how="Each row is a trial that did not end well, why, and the command that trains it again. Type it where the "
        "results folder lies; read a plugin file before you load it.",
        blocks=[
            listed if len(bad) else nothing,
            *tuning_words(source),
            fold_table(outcome_counts_table(source.shown)),
        ],
    )


def seeds_section(source: Source) -> Section:
    """Return the section of the luck of the seed."""
    blocks: list[Block] = [fold_table(table, folded=False) for table in seed_share_tables(source.shown)]
    nothing = Words(
        paragraphs=[
            "It takes several architectures and several seeds to tell these apart; this suite does not have both."
        ]
    )
    return Section(
        name="seeds",
        title="The luck of the seed",
        how="The share of the variance of scores that lies between seeds of one architecture: near 1 the outcome is "
        "luck, near 0 the architecture decides.",
        blocks=blocks or [nothing],
    )


def costs_section(source: Source) -> Section:
    """Return the section of what a success costs."""
    tables = [*success_cost_tables(source.shown, source.rules), costs_table(source.shown)]
    return Section(
        name="costs",
        title="The cost of a success",
        how="What all trials of a method cost together, those that failed too, for each one that succeeded.",
        blocks=[fold_table(table, folded=place > 0) for place, table in enumerate(tables)],
    )


def sensitivity_section(source: Source) -> Section:
    """Return the section of how far the conclusion depends on how the results are read."""
    blocks: list[Block]
    try:
        blocks = [fold_table(table) for table in make_sensitivity_tables(source.shown, source.rules)]
    except GanbenchError as error:
        blocks = [Words(paragraphs=[f"Nothing to vary: {error}"])]
    return Section(
        name="sensitivity",
        title="Would other readings conclude the same?",
        how="Each row reads the same trials in another way, and says whether the verdict stays.",
        blocks=blocks,
    )


def protocol_section(source: Source) -> Section:
    """Return the section of the suite as it was written, its runs, the versions and the machine, and how to cite.

    Of a comparison, those of each results folder.
    """
    folders = {show_text(show_folder(side.folder)): side.frames for side in source.sides} or {"": source.frames}
    blocks = [block for name, frames in folders.items() for block in describe_runs(frames, name)]
    versions = list(dict.fromkeys(show_text(read_version(frames)) for frames in folders.values()))
    cited = [CITATION.format(version=version) for version in versions]
    return Section(
        name="protocol",
        title="The suite, the machine, and how to cite",
        how="Whoever has the files that were imported can make this page again with `ganbench import`."
        if are_imported(source.frames.trials).all()
        else "Whoever has the suite below and these versions can make these results again with `ganbench run`.",
        blocks=[*blocks, Words(title="How to cite", paragraphs=cited)],
    )


def describe_runs(frames: Frames, folder: str) -> Iterator[Block]:
    """Yield the facts of the newest run, all runs and the suite; titles begin with the `folder`, if it is given."""
    run, of = frames.runs[-1], f"{folder}: " if folder else ""
    versions = run.facts.get("versions")
    named = [f"{name} {version}" for name, version in versions.items()] if isinstance(versions, dict) else []
    python, system = (run.facts.get(name, "unknown") for name in ("python", "system"))
    cores, devices = run.facts.get("cores", "?"), sorted({str(d) for d in frames.trials["device"].unique() if d})
    facts = [
        describe_import(run)
        or f"Started {run.started[:19].replace('T', ' ')} UTC. Python {python}, {system}, {cores} cores, "
        f"devices: {', '.join(devices) or 'none yet'}.",
        f"Versions: {', '.join(named) or 'not recorded'}.",
        *describe_all_features(frames),
    ]
    yield Words(title=folder, paragraphs=[escape_unprintable(fact) for fact in facts])
    runs = fold_table(history_table(frames.runs))
    yield replace(runs, title=of + runs.title)
    yield Words(title=f"{of}the suite" if of else "The suite", paragraphs=escape_lines(frames.suite), code=True)


def read_version(frames: Frames) -> str:
    """Return the version of ganbench that made the newest run."""
    versions = frames.runs[-1].facts.get("versions")
    return str(versions.get("ganbench", "unknown")) if isinstance(versions, dict) else "unknown"


def escape_lines(text: str) -> list[str]:
    """Return the lines of a text, each printable."""
    return [escape_unprintable(line) for line in text.splitlines()]
