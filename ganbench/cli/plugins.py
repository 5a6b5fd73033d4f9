"""Commands about what is installed: list, show, schema, check, doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ganbench.cli.arguments import Plugins, complete_kinds
from ganbench.errors import GanbenchError
from ganbench.escaping import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganbench.registry.registry import Offered, Registry


DEFAULT_SHAPE = "3,32,32"


def list_(
    kind: Annotated[
        str, typer.Argument(help="losses, constraints, methods, ... (default: all)", autocompletion=complete_kinds)
    ] = "",
    plugin: Plugins = None,
) -> None:
    """List what is installed, and which package provides it."""
    from ganbench import registry
    from ganbench.errors import unknown_name

    plugins = registry.load(files=plugin or ())
    if kind and kind not in plugins.kinds:
        raise unknown_name("kind", kind, plugins.kinds)
    for each in [kind] if kind else plugins.kinds:
        typer.echo(f"{each}:")
        offers = plugins.offers(each)
        width = max((len(offered.offer.name) for offered in offers), default=0)
        for offered in offers:
            typer.echo(
                replace_unprintable(f"  {offered.offer.name:{width}}  {offered.offer.summary}  [{offered.provider}]")
            )
    if kind == "executors":
        typer.echo(replace_unprintable(f"runs use {describe_config()}"))
    for problem in plugins.problems:
        typer.echo(replace_unprintable(f"not loaded: {problem}"), err=True)


def show(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    plugin: Plugins = None,
    shape: Annotated[
        str, typer.Option(metavar="C,H,W", help="The shape of a sample, for the layers of an architecture.")
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Give an architecture an option, as in TOML. Repeatable."),
    ] = None,
) -> None:
    """Show one component: formula, paper, options, provider.

    Of an architecture, also show the layers: those of the first one that is drawn, for samples of shape 3,32,32 if no
    shape is given.
    """
    from ganbench import registry
    from ganbench.errors import unknown_name

    plugins = registry.load(files=plugin or ())
    matches = [offered for kind in plugins.kinds for offered in plugins.offers(kind) if offered.offer.name == name]
    if not matches:
        names = {offered.offer.name for kind in plugins.kinds for offered in plugins.offers(kind)}
        raise unknown_name("component", name, names)
    drawn = [offered for offered in matches if offered.kind == "architectures"]
    if (shape or option) and not drawn:
        raise GanbenchError(f"show: --shape and --option are for architectures, and {matches[0]} is none.")
    texts = [describe(offered, plugins) for offered in matches]
    texts += [draw_layers(offered, plugins, shape, option or ()) for offered in drawn]
    typer.echo(replace_unprintable("\n\n".join(texts), keep="\n"))


def describe(offered: Offered, plugins: Registry) -> str:
    """Return all that is known of an offer, in lines for a person."""
    from ganbench.suite.methods import list_settings

    offer = offered.offer
    api = "" if offered.api is None else f", written for API {offered.api}"
    head = f"{offer.name} ({offered.kind}), version {offer.version}, from {offered.provider}{api}"
    lines = [head, f"  {offer.summary}"]
    if offer.formula:
        lines.append(f"  formula: {offer.formula}")
    if offer.reference:
        lines.append(f"  paper: {offer.reference}")
    if options := str(offered.options):
        lines.append(f"  options: {options}")
    if offered.kind == "methods":
        lines += [f"  {setting}" for setting in list_settings(plugins.build("methods", offer.name))]
    for example in offer.examples:
        given = ", ".join(f"{k} = {v}" for k, v in {**example.given, **example.options}.items())
        values = ", ".join(f"{player} {value:g}" for player, value in example.expect.items())
        lines.append(f"  asserted: {given} gives {values} ({example.source})")
    return "\n".join(lines)


def draw_layers(offered: Offered, plugins: Registry, shape: str, options: Sequence[str]) -> str:
    """Return the layers of the first architecture that a space draws: a table for each network.

    A space that refuses the default shape is not drawn, and the text says why. Raise GanbenchError for a shape that is
    none, for one that was given and is refused, and for wrong options.
    """
    from random import Random

    from ganbench.api.models import Ask
    from ganbench.plan.network_layers import list_layers
    from ganbench.registry.exits import blaming
    from ganbench.testing.given_options import find_missing, give_options

    sides = read_shape(shape or DEFAULT_SHAPE)
    given = dict(give_options(plugins, [offered], options).get((offered.kind, offered.offer.name), {}))
    if missing := find_missing(offered, given):
        words = " ".join(f"--option {name}=..." for name in missing)
        return f"  layers: not drawn, an option has no default; {words}"
    try:
        space = plugins.build(offered.kind, offered.offer.name, given)
        with blaming("show", f"{offered} of {offered.provider}"):
            spec = space.sample(Random(0))
            networks = list_layers(space, spec, Ask(shape=sides))
    except GanbenchError as refusal:
        if shape:
            raise
        return f"  layers: not drawn for samples of {DEFAULT_SHAPE}, give another --shape: {refusal}"
    values = ", ".join(f"{key} = {value}" for key, value in spec.items())
    size = f"one of {space.size:,}" if space.size is not None else "one of many"
    lines = [f"  layers for samples of {','.join(map(str, sides))}" + (f", {size} ({values})" if values else "")]
    for title, layers in networks.items():
        rows = [(layer.name, layer.kind, " x ".join(map(str, layer.shape)), f"{layer.weights:,}") for layer in layers]
        total = sum(layer.weights for layer in layers)
        rows = [(title, "kind", "output", "weights"), *rows, ("", "", "", f"{total:,}")]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines.append("")
        for name, kind, output, weights in rows:
            cells = [f"{name:{widths[0]}}", f"{kind:{widths[1]}}", f"{output:{widths[2]}}", f"{weights:>{widths[3]}}"]
            lines.append("  " + "  ".join(cells))
    return "\n".join(lines)


def read_shape(text: str) -> tuple[int, ...]:
    """Return a shape such as "3,32,32"; raise GanbenchError for any other text."""
    sides = text.replace("x", ",").split(",")
    if not all(side.strip().isdecimal() and 0 < int(side) < 10**5 for side in sides):
        raise GanbenchError(f"--shape {text}: write the shape of one sample, such as {DEFAULT_SHAPE}, or 2 for points.")
    return tuple(int(side) for side in sides)


def schema(plugin: Plugins = None) -> None:
    """Print the JSON Schema of suites, for editors.

    Editors complete and check suites with it.
    """
    import json

    from ganbench import registry
    from ganbench.suite import make_json_schema

    typer.echo(json.dumps(make_json_schema(registry.load(files=plugin or ())), indent=2))


def check(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME_OR_FILE", help="Offers, distributions or plugin files (default: everything)."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME.]KEY=VALUE",
            help="Give an option, as in TOML, to the offer NAME or to all that have it. Repeatable.",
        ),
    ] = None,
) -> None:
    """Run the contract tests on plugins.

    They hold plugins to what the engine relies on, rule by rule. An offer with an option that has no default is checked
    only if the option is given.
    """
    from ganbench.testing.check import check

    verdicts, problems = check(what or (), option or ())
    for verdict in verdicts:
        typer.echo(replace_unprintable(str(verdict), keep="\n"))
    problems = () if what else problems
    for problem in problems:
        typer.echo(replace_unprintable(f"not loaded: {problem}"), err=True)
    broken = sum(bool(verdict.broken) for verdict in verdicts)
    left_out = sum(bool(verdict.missing or verdict.lack) for verdict in verdicts)
    count = f"{len(verdicts) - left_out} checked, {broken} with broken rules"
    typer.echo(f"{count}, {left_out} not checked" if left_out else count)
    if broken or problems:
        raise typer.Exit(1)


def doctor(plugin: Plugins = None) -> None:
    """Report what is installed, the cache, and what fails to load."""
    from ganbench import registry
    from ganbench.runner import collect_facts

    facts = collect_facts()
    plugins = registry.load(files=plugin or ())
    import torch

    typer.echo(f"python {facts['python']} on {facts['system']}, {facts['cores']} cores")
    for name, version in facts["versions"].items():
        typer.echo(f"{name} {version}")
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    typer.echo(f"CUDA device: {cuda}")
    counts = ", ".join(f"{len(plugins.offers(kind))} {kind}" for kind in plugins.kinds)
    typer.echo(f"plugins: {counts}")
    for line in describe_extractors(plugins):
        typer.echo(replace_unprintable(line))
    for line in (describe_config(), *describe_cache()):
        typer.echo(replace_unprintable(line))
    for problem in plugins.problems:
        typer.echo(replace_unprintable(f"\nnot loaded: {problem}\n{problem.traceback}", keep="\n"), err=True)
    if plugins.problems:
        raise typer.Exit(1)


def describe_config() -> str:
    """Return where the user's configuration file is, and which executor a run uses; raise GanbenchError if wrong."""
    from ganbench.runner.executors import apply_user_config, find_user_config
    from ganbench.runner.settings import Settings

    settings, path = apply_user_config(Settings()), find_user_config()
    options = "".join(f", {name} = {value!r}" for name, value in settings.executor_options.items())
    there = "" if path.is_file() else ", which does not exist"
    return f"executor {settings.executor!r}{options} (configuration: {path}{there})"


def describe_cache() -> Iterator[str]:
    """Yield where the cache is, and how large each of its parts is."""
    from ganbench.api.cache_folder import find_cache_folder, measure_cache

    yield f"cache: {find_cache_folder()} (GANBENCH_CACHE chooses another folder)"
    for name, size in measure_cache().items():
        yield f"  {name}: {size / 2**20:,.1f} MiB"


def describe_extractors(plugins: Registry) -> Iterator[str]:
    """Yield which extractors have their weights here, which have not, and what is wrong with the others.

    Those that have them are loaded for that, so that files with a wrong hash are found.
    """
    from ganbench.errors import GanbenchError, NotInstalled

    ready, lacking, wrong = list[str](), list[str](), list[str]()
    for name in plugins.names("extractors"):
        try:
            plugins.build("extractors", name)
        except GanbenchError as error:
            absent = isinstance(error.__cause__, NotInstalled)
            (lacking if absent else wrong).append(name if absent else str(error))
        else:
            ready.append(name)
    yield f"extractors with their weights: {', '.join(ready) or 'none'}"
    if lacking:
        yield f"extractors without: {', '.join(lacking)} (`ganbench check NAME` says what to fetch)"
    yield from wrong
