"""The door: parse, call, print. Exit codes: 0, 1 if trials failed, 2 for what the user can mend, 130 for Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganbench.arguments import Device, Folder, Format, Out, Pictures, Plugins, Results, SuiteName, home
from ganbench.errors import GanbenchError

if TYPE_CHECKING:
    from ganbench.driver import Settings
    from ganbench.frames import Frames
    from ganbench.report import Table
    from ganbench.report.figures import Picture
    from ganbench.suite import Suite

app = typer.Typer(
    name="ganbench",
    help="Does this loss, this critic constraint, this architecture really help? Train the grid and see.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def run(
    suite: SuiteName,
    out: Out = None,
    device: Annotated[Device, typer.Option(help="Where to train; auto takes CUDA where there is one.")] = Device.auto,
    jobs: Annotated[int | None, typer.Option(metavar="N", min=0, help="Workers; 0: in this process.")] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="The longest a batch may take.")] = None,
    plugin: Plugins = None,
    retry: Annotated[str, typer.Option(metavar="STATUS,..", help="Train these again: failed, timeout.")] = "",
    keep_stale: Annotated[bool, typer.Option(help="Keep records whose code has changed, marked as stale.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Keep a damaged database aside, and start another.")] = False,
    format: Format = "md",
) -> None:
    """Train what is missing of a suite, then print its tables."""
    from ganbench.driver import as_suite, folder_of, follow
    from ganbench.report import writer
    from ganbench.screen import Screen
    from ganbench.store import read

    chosen = settings(
        out=out,
        device=device.value,
        jobs=jobs,
        timeout=timeout,
        files=plugin,
        retry=retry,
        keep_stale=keep_stale,
        fresh=fresh,
    )
    asked, how = as_suite(suite), writer(format, plugin or ())
    folder = folder_of(asked, chosen)
    try:
        with Screen() as screen:
            screen.say(f"planning {asked.where} ...")
            for session, event in follow(asked, chosen, screen.hear):
                screen.begin(session) if event is None else screen.watch(session, event)
    except KeyboardInterrupt:
        typer.echo(plain(f"stopped; what is done is kept in {folder}. The same command goes on from there."), err=True)
        raise typer.Exit(130) from None
    frames = read(folder)
    typer.echo(how.page(tables_of(frames, folder)), nl=False)
    if bad := int(frames.trials["status"].isin(["failed", "timeout"]).sum()):
        typer.echo(f"{bad} trials failed; --retry failed,timeout trains them again.", err=True)
        raise typer.Exit(1)


@app.command()
def plan(suite: SuiteName, out: Out = None, plugin: Plugins = None) -> None:
    """Say what a run would train, without training anything."""
    from ganbench.driver import as_suite, folder_of, left_of, plan_of
    from ganbench.store import Store

    asked, chosen = as_suite(suite), settings(out=out, files=plugin)
    made = plan_of(asked, chosen)[1]
    folder = folder_of(asked, chosen)
    for sentence in made.warnings:
        typer.echo(plain(sentence), err=True)
    known = {}
    if (folder / "results.sqlite").exists():
        with Store(folder, readonly=True) as store:
            known = store.known()
    todo = left_of(made, known, chosen)
    left = sum(len(batch.trials) for batch in todo.batches)
    typer.echo(plain(asked.question))
    for batch in todo.batches:
        trial = batch.trials[0]
        about = f"{trial.budget.generator_steps} generator steps, batch {trial.budget.batch_size}, {batch.mode}"
        typer.echo(plain(f"{trial.key[:8]}  {batch.label}: {about}"))
    counts = f"{len(made.trials)} trials in {len(made.batches)} batches; {left} to train"
    typer.echo(plain(f"{counts}, {len(todo.stale)} of them stale, {len(made.trials) - left} stored in {folder}"))


@app.command("list")
def list_(
    kind: Annotated[str, typer.Argument(help="losses, constraints, methods, ... (default: all)")] = "",
    plugin: Plugins = None,
) -> None:
    """List what is installed, and by whom."""
    from ganbench import registry
    from ganbench.errors import unknown

    plugins = registry.load(files=plugin or ())
    if kind and kind not in plugins.kinds:
        raise unknown("kind", kind, plugins.kinds)
    for each in [kind] if kind else plugins.kinds:
        typer.echo(f"{each}:")
        offers = plugins.offers(each)
        width = max((len(offered.offer.name) for offered in offers), default=0)
        for offered in offers:
            typer.echo(plain(f"  {offered.offer.name:{width}}  {offered.offer.summary}  [{offered.provider}]"))
    for problem in plugins.problems:
        typer.echo(plain(f"not loaded: {problem}"), err=True)


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME")], plugin: Plugins = None) -> None:
    """Show an offer: its formula, its paper, its options, who provides it."""
    from ganbench import registry
    from ganbench.descriptions import described
    from ganbench.errors import unknown

    plugins = registry.load(files=plugin or ())
    found = [offered for kind in plugins.kinds for offered in plugins.offers(kind) if offered.offer.name == name]
    if not found:
        names = {offered.offer.name for kind in plugins.kinds for offered in plugins.offers(kind)}
        raise unknown("offer", name, names)
    typer.echo(plain("\n\n".join(described(offered) for offered in found), keep="\n"))


@app.command()
def table(
    results: Results,
    format: Format = "md",
    all: Annotated[bool, typer.Option("--all", help="Also trials that the newest plan no longer asks for.")] = False,
    out: Folder = None,
    plugin: Plugins = None,
    robustness: Annotated[bool, typer.Option("--robustness", help="In their place: is every verdict robust?")] = False,
) -> None:
    """Print the tables of a results folder, or write each into a file."""
    from ganbench.report import write_tables, writer
    from ganbench.store import read

    how = writer(format, plugin or ())
    tables = tables_of(read(results, everything=all), results, robustness)
    if out is None:
        typer.echo(how.page(tables), nl=False)
    else:
        said(write_tables(tables, how, out))


@app.command()
def schema(plugin: Plugins = None) -> None:
    """Print the JSON Schema of suites, with which editors complete and check them."""
    import json

    from ganbench import editor, registry

    typer.echo(json.dumps(editor.schema(registry.load(files=plugin or ())), indent=2))


@app.command()
def figures(results: Results, out: Pictures = None) -> None:
    """Draw each success rule's rates over all thresholds, and where the scores lie, as PNG."""
    from ganbench.report.figures import figures
    from ganbench.store import read

    draw(figures(frames := read(results), asked_in(results, frames).success), results, out)


@app.command()
def samples(
    results: Results,
    of: Annotated[str, typer.Option("--of", metavar="KEY", help="One trial's, by its key or the key's start.")] = "",
    out: Pictures = None,
    plugin: Plugins = None,
) -> None:
    """Draw what the trained models make as PNG: a sheet for each method, from the best trial to the worst."""
    from ganbench import registry
    from ganbench.sheets import sheets, trial_sheet
    from ganbench.store import read

    known = home(results), read(results), registry.load(files=plugin or ())
    draw([trial_sheet(*known, of)] if of else sheets(*known), results, out)


@app.command()
def watch(
    results: Results,
    once: Annotated[bool, typer.Option("--once", help="Look once, instead of until the run is complete.")] = False,
) -> None:
    """Watch a run from another terminal: how far it is, who succeeds, what runs now. Writes nothing."""
    from rich.console import Console

    from ganbench.lookout import follow

    try:
        follow(results, Console(), once=once)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command()
def check(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME_OR_FILE", help="Offers, distributions or plugin files (default: everything)."),
    ] = None,
) -> None:
    """Run the contract tests on plugins: what the engine relies on, rule by rule."""
    from ganbench.testing.check import check

    verdicts, problems = check(what or ())
    for verdict in verdicts:
        typer.echo(plain(str(verdict), keep="\n"))
    problems = () if what else problems
    for problem in problems:
        typer.echo(plain(f"not loaded: {problem}"), err=True)
    broken = sum(bool(verdict.broken) for verdict in verdicts)
    typer.echo(f"{len(verdicts)} checked, {broken} with broken rules")
    if broken or problems:
        raise typer.Exit(1)


@app.command()
def doctor(plugin: Plugins = None) -> None:
    """Say what is installed here, what it runs on, and which plugins do not load."""
    from ganbench import driver, registry

    known = driver.facts()
    plugins = registry.load(files=plugin or ())
    import torch

    typer.echo(f"python {known['python']} on {known['system']}, {known['cores']} cores")
    for name, version in known["versions"].items():
        typer.echo(f"{name} {version}")
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    typer.echo(f"CUDA device: {cuda}")
    counts = ", ".join(f"{len(plugins.offers(kind))} {kind}" for kind in plugins.kinds)
    typer.echo(f"plugins: {counts}")
    for problem in plugins.problems:
        typer.echo(plain(f"\nnot loaded: {problem}\n{problem.traceback}", keep="\n"), err=True)
    if plugins.problems:
        raise typer.Exit(1)


def settings(*, files: list[Path] | None = None, retry: str = "", **rest: Any) -> Settings:
    """Make the driver's settings of the command line's."""
    from ganbench.driver import Settings

    statuses = tuple(each.strip() for each in retry.split(",") if each.strip())
    return Settings(files=tuple(str(path) for path in files or ()), retry=statuses, **rest)


def asked_in(results: Path, frames: Frames) -> Suite:
    """Give the suite that a results folder holds; a complaint about it names the folder."""
    from ganbench import suite

    try:
        return suite.restore(frames.suite)
    except GanbenchError as error:
        raise GanbenchError(f"{results}: {error}") from error


def tables_of(frames: Frames, results: Path, robustness: bool = False) -> list[Table]:
    """Make what the results say about the suite's question, or of how robust their verdicts are."""
    from ganbench.report import make_robustness_tables, make_tables

    make = make_robustness_tables if robustness else make_tables
    return make(frames, asked_in(results, frames).success)


def draw(pictures: Sequence[Picture], results: Path, out: Path | None) -> None:
    """Draw pictures into files and name them; what takes more than two seconds shows how far it is."""
    from tqdm import tqdm

    from ganbench.report.figures import write_pictures

    if not pictures:
        typer.echo("nothing to draw: no success rule has scores yet.", err=True)
        return
    drawn = write_pictures(pictures, out or home(results) / "figures")
    said(tqdm(drawn, "drawing", len(pictures), leave=False, disable=None, delay=2.0))


def said(files: Iterable[Path]) -> None:
    """Name the files that were written, as they come."""
    for file in files:
        typer.echo(plain(str(file)))


def plain(text: str, keep: str = "") -> str:
    """Make a stranger's text harmless for a terminal."""
    return "".join(c if c.isprintable() or c in keep else " " for c in text)


def main(words: list[str] | None = None) -> None:
    """Run the command line; turn what the user can mend into one message and exit code 2."""
    try:
        app(words, prog_name="ganbench")
    except GanbenchError as error:
        typer.echo(f"ganbench: {plain(str(error), keep=chr(10))}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
