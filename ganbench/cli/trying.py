"""The command that tries a new loss, constraint or method against shipped records: try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import Device, FormatOrSummary, Full, Plugins
from ganbench.cli.comparison import print_comparison, write_comparison
from ganbench.cli.summary import wants_summary
from ganbench.cli.training import exit_with_failures, make_settings, train_with_display
from ganbench.cli.workers import prepare_workers
from ganbench.errors import GanbenchError
from ganbench.escaping import make_slug, replace_unprintable
from ganbench.runner.phases import PhaseTimer

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry
    from ganbench.report import Comparison
    from ganbench.runner.settings import Settings
    from ganbench.statistics.reproduction import Reproduction
    from ganbench.suite.candidates import Candidate
    from ganbench.suite.references import Reference

BASELINES = "baselines"
"""The folder, within that of a trial, of the trainings of known methods."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What is tried: a candidate `against` a known method on some references, in a folder, by the settings of runs."""

    candidate: Candidate
    against: str
    references: Sequence[Reference]
    folder: Path
    registry: Registry
    settings: Settings

    @property
    def folders(self) -> list[Path]:
        """The results folder of the candidate on each reference."""
        return [self.folder / reference.name for reference in self.references]

    @property
    def baselines(self) -> list[Path]:
        """The results folder of what is trained of the known method here, on each reference."""
        place = self.folder / BASELINES / make_slug(self.against)
        return [place / reference.name for reference in self.references]


def try_(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py:NAME",
            help="A loss, constraint, method ... of a plugin file, or an installed one's name.",
        ),
    ],
    against: Annotated[
        str, typer.Option(metavar="METHOD", help="The known method to compare with (default: that of the references).")
    ] = "",
    base: Annotated[
        str, typer.Option("--from", metavar="METHOD", help="The known method to change (default: that of --against).")
    ] = "",
    on: Annotated[str, typer.Option(metavar="NAME,..", help="Only these references (default: all).")] = "",
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Give it an option, as in TOML. Repeatable.")
    ] = None,
    weight: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="The weight of a constraint or an input (default: 1).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The results folder (default: results/try-NAME).")
    ] = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train the known method here, too, and compare with that.")
    ] = False,
    device: Device = "auto",
    jobs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Workers; 0: train in this process.")] = None,
    plugin: Plugins = None,
    format: FormatOrSummary = None,
    full: Full = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write the comparison as one HTML page.")
    ] = None,
) -> None:
    """Train a new method, and compare it with records of a known one.

    The records are shipped. A few trials of the known method are trained again, to check that this machine
    reproduces its records.
    """
    from ganbench.runner.executors import apply_user_config
    from ganbench.suite.candidates import split_spec
    from ganbench.suite.references import choose_references, list_references

    references = list_references()
    against = against or references[0].methods[0]
    chosen = choose_references(on, against, references)
    files = [*filter(None, split_spec(spec)[:1]), *(plugin or ())]
    settings = apply_user_config(make_settings(device=device, jobs=jobs, files=files))
    prepare_workers(chosen[0].suite, settings)  # first, as what follows imports libraries that start threads
    tried = make_tried(spec, against, base or against, option or (), weight, chosen, out, settings)
    comparison, checks = train_and_compare(tried, retrain=retrain)
    print_tried(comparison, checks, against, format, full=full)
    if report is not None:
        write_comparison(comparison, report)
    exit_with_failures(comparison.opened[0].frames)


def make_tried(
    spec: str,
    against: str,
    base: str,
    options: Sequence[str],
    weight: float | None,
    references: Sequence[Reference],
    out: Path | None,
    settings: Settings,
) -> Tried:
    """Return what is tried; raise GanbenchError for a component that cannot be, or settings that it cannot have."""
    from ganbench.runner.planning import load_plugins
    from ganbench.suite.candidates import find_candidate, make_candidate
    from ganbench.testing.given_options import give_options

    registry = load_plugins(settings)
    offered = find_candidate(registry, spec)
    name = offered.offer.name
    given = give_options(registry, [offered], options).get((offered.kind, name), {})
    candidate = make_candidate(offered, base, given, weight, references[0].methods)
    if name == against:
        raise GanbenchError(f"{name} against itself: there is nothing to compare. Name another method by --against.")
    return Tried(
        candidate=candidate,
        against=against,
        references=references,
        folder=out or Path("results") / f"try-{make_slug(name)}",
        registry=registry,
        settings=settings,
    )


def train_and_compare(tried: Tried, *, retrain: bool) -> tuple[Comparison, list[Reproduction]]:
    """Train what is missing, the candidate first; return the comparison, and the checks of this machine."""
    from ganbench.report.trying import check_machine, compare_tried
    from ganbench.runner.references import refuse_stale_records

    records = [reference.records for reference in tried.references]
    if not retrain:
        for reference in tried.references:
            refuse_stale_records(reference, tried.against, tried.registry)
    train_candidate(tried)
    train_baseline(tried, whole=retrain)
    checks = [] if retrain else check_machine(tried.against, tried.baselines, records)
    known = tried.baselines if retrain else records
    return compare_tried(tried.candidate.name, tried.folders, tried.against, known, checks), checks


def train_baseline(tried: Tried, *, whole: bool) -> None:
    """Train the known method on each reference: a few trials, or the whole of it."""
    from ganbench.suite.candidates import make_suite, read_method

    for reference, folder in zip(tried.references, tried.baselines, strict=True):
        method = read_method(reference, tried.against)
        question = f"Does this machine reproduce {tried.against} on {reference.name}?"
        suite = make_suite(reference, method, question, folder / "suite.toml", checks=not whole)
        announce(f"{tried.against} on {reference.name}, {'whole' if whole else 'to check this machine'}")
        train_with_display(suite, replace(tried.settings, results=folder), PhaseTimer())


def train_candidate(tried: Tried) -> None:
    """Train the candidate on each reference."""
    from ganbench.suite.candidates import make_suite

    for reference, folder in zip(tried.references, tried.folders, strict=True):
        method = tried.candidate.write_method(reference, tried.registry)
        question = f"Is {tried.candidate.name} better than {tried.against} on {reference.name}?"
        suite = make_suite(reference, method, question, folder / "suite.toml")
        announce(f"{tried.candidate.name} on {reference.name}")
        train_with_display(suite, replace(tried.settings, results=folder), PhaseTimer())


def announce(what: str) -> None:
    """Print on stderr what is trained next."""
    typer.echo(replace_unprintable(f"training {what}"), err=True)


def print_tried(
    comparison: Comparison, checks: Sequence[Reproduction], against: str, format: str | None, *, full: bool
) -> None:
    """Print whether this machine reproduces the records, and the comparison as `ganbench compare` prints it."""
    from ganbench.report import choose_writer, render
    from ganbench.report.trying import describe_checks

    if not wants_summary(format):
        typer.echo(choose_writer(format or "md").page(comparison.tables), nl=False)
        if not all(each.holds for each in checks):
            for line in describe_checks(checks, against):
                typer.echo(replace_unprintable(line), err=True)
        return
    for line in describe_checks(checks, against) if checks else ():
        typer.echo(replace_unprintable(line))
    typer.echo()
    if full:
        typer.echo(render(comparison.tables, "md"))
    print_comparison(comparison, full=full)
