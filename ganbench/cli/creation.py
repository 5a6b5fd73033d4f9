"""The commands that write something to start from: new loss, new constraint, ..., new suite."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ganbench.cli.printing import progress_bar
from ganbench.creation.packages import list_kinds
from ganbench.errors import GanbenchError
from ganbench.escaping import replace_unprintable

if TYPE_CHECKING:
    from ganbench.creation.suites import SuiteAnswers
    from ganbench.registry.registry import Registry

Answer = TypeVar("Answer")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, in kebab-case, such as my-name.")]
Into = Annotated[Path, typer.Option("--into", metavar="DIR", help="Write it into this folder.")]
Author = Annotated[str, typer.Option(metavar="TEXT", help="The author's name, for pyproject.toml.")]
Question = Annotated[str | None, typer.Option(metavar="TEXT", help="The question of the suite.")]
Methods = Annotated[str | None, typer.Option(metavar="A,B", help="The methods: `list methods`.")]
Dataset = Annotated[str | None, typer.Option(metavar="NAME", help="The dataset: `list datasets`.")]
Architectures = Annotated[
    str | None, typer.Option(metavar="NAME", help="The space of architectures: `list architectures`.")
]
Sample = Annotated[int | None, typer.Option(metavar="N", min=1, help="How many of them are drawn; 1: a fixed one.")]
Seeds = Annotated[int | None, typer.Option(metavar="N", min=1, help="Seeds of each.")]
Steps = Annotated[int | None, typer.Option(metavar="N", min=1, help="Generator steps of each trial.")]
Minutes = Annotated[
    float | None, typer.Option(metavar="M", min=0.1, help="In place of --steps: how long a run may take here.")
]
LearningRate = Annotated[
    float | None, typer.Option(metavar="X", min=0, help="The learning rate of all methods; 0: each recipe's own.")
]
Success = Annotated[
    str | None, typer.Option(metavar="VALUE=T,..", help="A metric's value and its thresholds, as in fid=30,20.")
]

new = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    help="Write a plugin package or a suite to start from.\n\nA package has a plugin that works, tests, a suite, a "
    "README and a workflow.",
)


def make_command(kind: str) -> Callable[..., None]:
    """Return the command that writes a package of a kind."""

    def create(name: Name, into: Into = Path(), author: Author = "") -> None:
        from ganbench import registry
        from ganbench.creation.packages import create_package

        folder, files = create_package(kind, name, into, registry.load(), author)
        print_lines(
            *files,
            "",
            "next:",
            f"  cd {folder} && pip install -e '.[test]'",
            "  pytest",
            f"  ganbench run suites/{name}.toml",
        )

    article = "an" if kind[0] in "aeiou" else "a"
    create.__doc__ = f"Write a package with {article} {kind}."
    return create


for kind in list_kinds():
    new.command(kind)(make_command(kind))


@new.command("suite")
def suite(
    name: Name,
    into: Into = Path(),
    question: Question = None,
    methods: Methods = None,
    dataset: Dataset = None,
    architectures: Architectures = None,
    sample: Sample = None,
    seeds: Seeds = None,
    steps: Steps = None,
    minutes: Minutes = None,
    lr: LearningRate = None,
    success: Success = None,
) -> None:
    """Write a commented suite.

    On a terminal it asks, unless an option is given. Everything has a default.
    """
    from ganbench import registry
    from ganbench.creation.suites import complete_answers, create_suite
    from ganbench.runner.places import count_jobs

    if steps is not None and minutes is not None:
        raise GanbenchError("new suite: --steps and --minutes: give one of the two.")
    given: dict[str, Any] = {
        "question": question,
        "methods": None if methods is None else split(methods),
        "dataset": dataset,
        "architectures": architectures,
        "sample": sample,
        "seeds": seeds,
        "steps": steps,
        "minutes": minutes,
        "learning_rate": lr,
        "success": success,
    }
    plugins = registry.load()
    asks = is_terminal() and not any(value is not None for value in given.values())
    answers = ask(plugins) if asks else complete_answers(plugins, **given)
    with progress_bar("planning", delay=1.0):
        file, cautions = create_suite(name, answers, into, plugins, count_jobs(None, "auto"))
    for caution in cautions:
        typer.echo(replace_unprintable(caution), err=True)
    commands = (f"plan {file} --estimate", f"run {file}", f"report results/{name}")
    print_lines(file, "", "next:", *(f"  ganbench {command}" for command in commands))


def is_terminal() -> bool:
    """Return whether someone can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def split(text: str) -> tuple[str, ...]:
    """Return the names in a text, which commas separate."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def ask(plugins: Registry) -> SuiteAnswers:
    """Return the answers of whoever sits at the terminal; each is checked at once, and asked again if it is wrong."""
    from ganbench.creation import suites

    defaults = suites.read_defaults()

    def ask_name(text: str, kind: str) -> str:
        default = defaults[kind.removesuffix("s")] if kind == "datasets" else defaults[kind]
        return prompt(
            f"{text} (`ganbench list {kind}`)", default, lambda word: suites.check_names(kind, [word], plugins)[0]
        )

    def read_rule(text: str) -> str:
        text = "" if text == "none" else text
        suites.read_success(text, dataset, plugins)
        return text

    question = prompt("The question", defaults["question"], str)
    methods = prompt(
        "Methods (`ganbench list methods`)",
        ", ".join(defaults["methods"]),
        lambda text: suites.check_names("methods", split(text), plugins),
    )
    dataset = ask_name("Dataset", "datasets")
    architectures = ask_name("Space of architectures", "architectures")
    sample = prompt(
        "How many are drawn (1: a fixed one)", str(suites.default_sample(architectures, plugins)), read_count
    )
    seeds = prompt("Seeds of each", str(defaults["seeds"]), read_count)
    steps, minutes = prompt("Generator steps, or minutes as in 5m", str(defaults["steps"]), read_length)
    rate = prompt("Learning rate of all (0: each recipe's own)", str(defaults["learning_rate"]), read_rate)
    rule = suites.default_success(dataset) or "none"
    success = prompt("Success, as in fid=30,20 (none: decide it later)", rule, read_rule)
    return suites.complete_answers(
        plugins,
        question=question,
        methods=methods,
        dataset=dataset,
        architectures=architectures,
        sample=sample,
        seeds=seeds,
        steps=steps,
        minutes=minutes,
        learning_rate=rate,
        success=success,
    )


def prompt(text: str, default: str, read: Callable[[str], Answer]) -> Answer:
    """Return an answer as `read` makes it of the text; a text that it refuses is asked for again, with the reason."""

    def parse(answer: str) -> Answer:
        try:
            return read(answer.strip())
        except (GanbenchError, ValueError) as error:
            raise typer.BadParameter(replace_unprintable(str(error))) from None

    answer: Answer = typer.prompt(text, default=default, value_proc=parse)
    return answer


def read_count(text: str) -> int:
    """Return a whole number above 0; raise ValueError for any other text."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r}: write a whole number, 1 or more.")
    return int(text)


def read_rate(text: str) -> float:
    """Return a learning rate, 0 or more; raise ValueError for any other text."""
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < float("inf"):
        raise ValueError(f"{text!r}: write a number, 0 or more, such as 1e-3.")
    return rate


def read_length(text: str) -> tuple[int | None, float | None]:
    """Return generator steps or minutes, the other one None; raise ValueError for any other text."""
    if not text.endswith("m"):
        return read_count(text), None
    minutes = read_rate(text.removesuffix("m"))
    if not minutes:
        raise ValueError(f"{text!r}: write minutes above 0, such as 5m.")
    return None, minutes


def print_lines(*lines: object) -> None:
    """Print lines as text that is safe in a terminal."""
    for line in lines:
        typer.echo(replace_unprintable(str(line)))
