"""Write the generated parts of README.md and the pages in docs/: what the code itself knows.

    python docs/generate.py            # write them again
    python docs/generate.py --check    # fail if one is stale

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is a key of `PARTS`, or `claims-SUITE`.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import typer
from claim_tables import claim_table, verdict_table
from ganbench import Ask, cli, registry
from ganbench.api import hooks
from ganbench.api import offers as offer_records
from ganbench.plan.network_layers import list_layers
from ganbench.suite.methods import list_settings
from ganbench.testing import contracts
from ganbench.testing import offers as offer_rules
from markdown_tables import cell, code, formula, table
from record_tables import record_tables
from suite_format import suite_tables

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "ganbench",
    *(f"ganbench.{name}" for name in ("suite", "registry", "plan", "results", "statistics", "evaluation", "report")),
    *(f"ganbench.{name}" for name in ("engine", "runner", "progress", "imports")),
)
MARKED = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def hook_docs() -> Iterator[tuple[str, str]]:
    """Yield each hook's name and its documentation, in the order in which they are defined."""
    for name, hook in vars(hooks).items():
        if name.startswith("ganbench_"):
            yield name, inspect.getdoc(hook) or ""


def hook_table() -> str:
    """Return the hooks, a sentence each."""
    return table(("hook", "what it does"), [(f"`{name}`", doc.partition("\n")[0]) for name, doc in hook_docs()])


def hook_pages() -> str:
    """Return each hook's whole documentation, its example as a file that can be saved and run."""
    pages = []
    for name, doc in hook_docs():
        words = "\n".join(line for line in doc.splitlines() if not line.startswith((">>> ", "... ")))
        code = [line[4:] for line in doc.splitlines() if line.startswith((">>> ", "... "))]
        pages.append(f"## {name}\n\n{words.strip()}\n{example(code)}")
    return "\n".join(pages)


def example(lines: list[str]) -> str:
    """Return code as a Markdown block, with the blank lines that a doctest cannot have; nothing for none."""
    code = re.sub(r"(?m)(?<!^@hookimpl\n)^(?=def |@)", "\n\n", "\n".join(lines))
    return f"\n```python\n{code}\n```\n" if lines else ""


def offer_tables() -> str:
    """Return each offer with its options, its formula and its source, a table for each kind."""
    known = registry.load()
    parts = []
    for kind in offer_records.KINDS:
        offers = [known.get(kind, name).offer for name in known.names(kind)]
        rows = [
            (
                f"`{offer.name}`",
                options(offer.build),
                cell(offer.summary),
                formula(offer.formula),
                cell(offer.reference),
            )
            for offer in offers
        ]
        if kind == "methods":
            parts.append(f"## {kind}\n\n{recipe_table()}")
        elif rows:
            parts.append(f"## {kind}\n\n{table(('name', 'options', 'summary', 'formula', 'source'), rows)}")
    return "\n".join(parts)


def recipe_table() -> str:
    """Return each recipe's settings and its paper."""
    known, rows = registry.load(), []
    for name in known.names("methods"):
        offer = known.get("methods", name).offer
        rows.append(
            (
                f"`{name}`",
                ", ".join(f"`{text}`" for text in list_settings(offer.build())),
                cell(offer.summary),
                cell(offer.reference),
            )
        )
    return table(("method", "settings", "summary", "source"), rows)


def options(build: Callable[..., Any]) -> str:
    """Return the options of an offer with their defaults."""
    return ", ".join(
        f"`{name}`" if option.default is option.empty else f"`{name} = {option.default!r}`"
        for name, option in inspect.signature(build).parameters.items()
    )


def depth_tables() -> str:
    """Return how many convolutions `random-dcgan` has at each size of its maps: a table for each size of images."""
    parts = []
    for side in (16, 32, 64):
        sides = [at for at in (8, 16, 32, 64) if at <= side]
        rows = []
        for depth in (4, 8, 12, 20):
            space = registry.load().build("architectures", "random-dcgan", {"depths": [depth], "filters": [64]})
            layers = list_layers(space, space.sample(Random(0)), Ask(shape=(3, side, side)))["generator"]
            maps = [layer.shape[1] for layer in layers if "Conv" in layer.kind]
            rows.append((str(depth), *(str(maps.count(at)) for at in sides)))
        head = ("depth", *(f"{at} x {at}" for at in sides))
        parts.append(f"{side} pixels:\n\n{table(head, rows)}")
    return "\n".join(parts)


def reference_tables() -> str:
    """Return what the literature says and which tests hold ganbench to it, a table for each section."""
    with (ROOT / "docs/reference/references_checked.toml").open("rb") as file:
        references = tomllib.load(file)["reference"]
    held, trained, missing = (sum(key in each for each in references) for key in ("tests", "suites", "open"))
    counts = f"{held} with tests, {trained} held by a suite's claims, {missing} with something open"
    parts = [f"{len(references)} claims: {counts}.\n"]
    for section in dict.fromkeys(reference["section"] for reference in references):
        rows = [(cell(t["claim"]), cell(t["source"]), evidence(t)) for t in references if t["section"] == section]
        parts.append(f"## {section}\n\n{table(('claim', 'source', 'held by'), rows)}")
    return "\n".join(parts)


def evidence(reference: Mapping[str, Any]) -> str:
    """Return a claim's tests, each as its own words and a link to its file, and what is open."""
    said = []
    for path, _, name in (test.partition("::") for test in reference.get("tests", ())):
        said.append(f"[{name.removeprefix('test_').replace('_', ' ')}](../../{path})")
    said += [f"[suite {name}](../background/literature.md#{name})" for name in reference.get("suites", ())]
    if "open" in reference:
        said.append(f"**open**: {cell(reference['open'])}")
    return "; ".join(said)


def contract_lists() -> str:
    """Return the rules that offers must keep, a list for each kind."""
    lists = {"Offers of any kind": offer_rules.RULES} | {kind: rules.rules for kind, rules in contracts.KINDS.items()}
    return "\n".join(
        f"### {kind}\n\n" + "".join(f"- {rule.claim}\n" for rule in rules) for kind, rules in lists.items()
    )


def commands() -> Iterator[tuple[str, Any]]:
    """Yield the commands of the CLI by name; a group of commands is one."""
    command: Any = typer.main.get_command(cli.app)
    yield from sorted(command.commands.items(), key=lambda item: hasattr(item[1], "commands"))


def first_sentence(command: Any) -> str:
    """Return the first line of a command's help."""
    return str(command.help or "").strip().partition("\n")[0]


def command_table() -> str:
    """Return the commands, a sentence each."""
    return table(("command", "what it does"), [(f"`ganbench {name}`", first_sentence(c)) for name, c in commands()])


def command_pages() -> str:
    """Return each command's help and its arguments and options."""
    pages = []
    for name, command in commands():
        about, inner = inspect.cleandoc(command.help or ""), getattr(command, "commands", {})
        arguments = "" if inner else argument_table(command)
        pages.append(f"## ganbench {name}\n\n{about}\n" + (f"\n{arguments}" if arguments else ""))
        for arguments, group in groupby(inner.items(), lambda item: argument_table(item[1])):
            names, members = zip(*group, strict=True)
            about = "" if len(names) > 1 else f"{inspect.cleandoc(members[0].help or '')}\n\n"
            pages.append(f"### ganbench {name} {', '.join(names)}\n\n{about}{arguments}")
    return "\n".join(pages)


def argument_table(command: Any) -> str:
    """Return the arguments and options of a command, "" if it has none."""
    shown = [item for item in command.params if not getattr(item, "hidden", False)]
    rows = [(f"`{spelling(item)}`", cell(getattr(item, "help", "") or "")) for item in shown]
    rows = [row for row in rows if "--help" not in row[0]]
    return table(("argument", "meaning"), rows) if rows else ""


def spelling(parameter: Any) -> str:
    """Return how an argument or an option is written."""
    value = parameter.metavar or ("" if getattr(parameter, "is_flag", False) else parameter.name.upper())
    if parameter.param_type_name == "argument":
        return str(value)
    return f"{', '.join([*parameter.opts, *parameter.secondary_opts])} {value}".strip()


def api_tables() -> str:
    """Return the public names of each package with their parameters and the first sentence of their documentation."""
    pages = []
    for package in PACKAGES:
        module = importlib.import_module(package)
        rows = [(code(spell(name, thing)), about(thing).replace("|", r"\|")) for name, thing in list_public(module)]
        summary = inspect.getdoc(module) or ""
        pages.append(f"## {package}\n\n{summary}\n\n{table(('name', 'what it is'), rows)}")
    return "\n".join(pages)


def list_public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the public names of a package with what they stand for."""
    for name in module.__all__:
        yield name, getattr(module, name)


def spell(name: str, thing: Any) -> str:
    """Return how a function is called: its parameters with their defaults; the bare name of anything else."""
    if not inspect.isfunction(inspect.unwrap(thing) if callable(thing) else thing):
        return name
    parameters = inspect.signature(thing).parameters.values()
    words, star = [], any(each.kind is each.VAR_POSITIONAL for each in parameters)
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and not star:
            words.append("*")
            star = True
        words.append(spell_parameter(each))
    return f"{name}({', '.join(words)})"


def spell_parameter(parameter: inspect.Parameter) -> str:
    """Return a parameter with its default: that of a function is its name, since its address would tell nothing."""
    default = parameter.default
    if default is not parameter.empty and callable(default):
        return f"{parameter.name}={getattr(default, '__name__', type(default).__name__)}".replace("<lambda>", "...")
    return str(parameter.replace(annotation=parameter.empty)).replace("mappingproxy({})", "{}")


def about(thing: Any) -> str:
    """Return the first paragraph of a function's or class's documentation; what is neither has none."""
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if not inspect.isfunction(thing) and not inspect.isclass(thing):
        return "(a constant or a type)"
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


PARTS: dict[str, Callable[[], str]] = {
    "api-tables": api_tables,
    "hook-table": hook_table,
    "hook-pages": hook_pages,
    "offer-tables": offer_tables,
    "depth-tables": depth_tables,
    "reference-tables": reference_tables,
    "contract-lists": contract_lists,
    "command-table": command_table,
    "verdict-table": verdict_table,
    "command-pages": command_pages,
    "record-tables": record_tables,
    "suite-tables": suite_tables,
}


def make_part(name: str) -> str:
    """Return a generated part by its name: one of `PARTS`, or `claims-SUITE`."""
    suite = name.removeprefix("claims-")
    return PARTS[name]() if suite == name else claim_table(suite)


def renew(text: str) -> str:
    """Return a document with its generated parts as they should be."""
    return MARKED.sub(lambda part: f"{part[1]}{make_part(part[2])}{part[3]}", text)


def find_stale() -> dict[Path, str]:
    """Return the documents whose generated parts are not what the code says, with what they should be."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    fresh = {path: renew(path.read_text()) for path in documents}
    return {path: text for path, text in fresh.items() if text != path.read_text()}


def main() -> int:
    """Write what is stale; with --check, only report it."""
    arguments = argparse.ArgumentParser(description="Write the generated parts of README.md and the pages in docs/.")
    arguments.add_argument("--check", action="store_true", help="write nothing, fail if a part is stale")
    check = arguments.parse_args().check
    for path, text in (documents := find_stale()).items():
        if check:
            sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run `python docs/generate.py`\n")
        else:
            path.write_text(text)
    return int(check and bool(documents))


if __name__ == "__main__":
    sys.exit(main())
