"""A new suite: a commented TOML file from a few answers, which is planned before it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.creation.packages import refuse_name, refuse_path
from ganbench.creation.rendering import find_templates, render
from ganbench.errors import GanbenchError, NotInstalled, shorten, unknown_name
from ganbench.registry.metric_values import read_directions
from ganbench.results.files import write_file
from ganbench.suite.loading import parse

if TYPE_CHECKING:
    from ganbench.plan.plan import Plan
    from ganbench.registry.registry import Registry

PLACE = "new suite"
TRIED_STEPS = 1000
"""The generator steps of the suite whose time tells how many steps take the minutes that are asked for."""


@dataclass(frozen=True, kw_only=True)
class SuiteAnswers:
    """What a new suite asks: methods on architectures of a space, on a dataset.

    `sample` is the number of architectures that are drawn; 1 is a fixed one. `steps` are generator steps, unless
    `minutes` is above 0: then as many are chosen as take that long on this machine. A `learning_rate` of 0 leaves each
    recipe its own. `success` is a metric's value with thresholds, as in "fid=30,20"; "" is none.
    """

    question: str
    methods: tuple[str, ...]
    dataset: str
    architectures: str
    sample: int
    seeds: int
    steps: int
    minutes: float = 0.0
    learning_rate: float
    success: str


@lru_cache(maxsize=1)
def read_defaults() -> dict[str, Any]:
    """Return the default answers, with those on success by dataset."""
    return tomllib.loads(find_templates().joinpath("suite", "defaults.toml").read_text(encoding="utf-8"))


def complete_answers(plugins: Registry, **given: Any) -> SuiteAnswers:
    """Return answers with defaults for what is not given (None), checked; raise GanbenchError for a wrong one."""
    values = {**read_defaults(), **{key: value for key, value in given.items() if value is not None}}
    values["methods"] = check_names("methods", values["methods"], plugins)
    values["success"] = given.get("success")
    if values["success"] is None:
        values["success"] = default_success(values["dataset"])
    if given.get("sample") is None:
        values["sample"] = default_sample(values["architectures"], plugins)
    answers = SuiteAnswers(**{field.name: values[field.name] for field in fields(SuiteAnswers) if field.name in values})
    check_names("datasets", [answers.dataset], plugins)
    check_names("architectures", [answers.architectures], plugins)
    read_success(answers.success, answers.dataset, plugins)
    return answers


def default_success(dataset: str) -> str:
    """Return the default rule for success on a dataset, "" if none is known."""
    return str(read_defaults()["success"].get(dataset, ""))


def default_sample(space: str, plugins: Registry) -> int:
    """Return how many architectures of a space are drawn by default: all of a small one."""
    check_names("architectures", [space], plugins)
    size = plugins.build("architectures", space, where=PLACE).size
    most = int(read_defaults()["sample"])
    return most if size is None else min(size, most)


def check_names(kind: str, names: Iterable[str], plugins: Registry) -> tuple[str, ...]:
    """Return the names of offers without repeats; raise UnknownOffer, with the nearest right name, for a wrong one."""
    return tuple(dict.fromkeys(plugins.get(kind, name, PLACE).offer.name for name in names))


def read_success(text: str, dataset: str, plugins: Registry) -> tuple[str, list[float], list[str]]:
    """Return a rule for success: the metric's value, the thresholds, and the metrics that the dataset needs for it.

    Thresholds are in rising difficulty. No metrics are returned where the dataset's own have the value; for "" all
    three are empty. Raise GanbenchError for a wrong name, with the nearest right one, or a wrong number.
    """
    if not text:
        return "", [], []
    value, _, numbers = text.partition("=")
    thresholds = [read_threshold(number, text) for number in numbers.split(",")]
    own = list(plugins.get("datasets", dataset, PLACE).offer.metrics)
    metrics = [*plugins.names("metrics"), *own]  # a value of several metrics is that of the dataset's own
    owners = {name: (metric, way) for metric in metrics for name, way in read_directions(plugins, metric).items()}
    if value not in owners:
        raise unknown_name("value of a metric", value, owners, f"{PLACE}: --success")
    metric, direction = owners[value]
    if direction == "neutral":
        raise GanbenchError(f"{PLACE}: --success {value}: neither high nor low is better. Name another value.")
    return value, sorted(thresholds, reverse=direction == "lower"), [] if metric in own else [*own, metric]


def read_threshold(text: str, rule: str) -> float:
    """Return a threshold as a number; raise GanbenchError for any other text."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise GanbenchError(f"{PLACE}: --success {rule}: {shorten(text)} is no number. Write it as in fid=30,20.")
    return number


def render_suite(name: str, answers: SuiteAnswers, plugins: Registry, workers: int = 0) -> str:
    """Return the text of a suite; with `workers`, its steps take the minutes that were asked for on so many."""
    metric, thresholds, metrics = read_success(answers.success, answers.dataset, plugins)
    return render(
        "suite/suite.toml.jinja",
        name=name,
        file=f"{name}.toml",
        answers=answers,
        minutes=f"{answers.minutes:g}" if workers else "",
        workers=workers,
        metric=metric,
        thresholds=thresholds,
        metrics=metrics,
    )


def fit_steps(answers: SuiteAnswers, plugins: Registry, workers: int) -> SuiteAnswers:
    """Return the answers with as many steps as take their minutes on so many workers, by a short trial."""
    from ganbench.progress.estimate import estimate_cost

    tried = replace(answers, steps=TRIED_STEPS)
    plan = make_plan(render_suite("tried", tried, plugins), "tried.toml", plugins)
    seconds = estimate_cost(plan.batches, None, Path(), plugins, workers).seconds
    steps = max(10, int(TRIED_STEPS * answers.minutes * 60 / max(seconds, 1e-3)))
    unit = 10 ** (len(str(steps)) - 2)
    return replace(answers, steps=steps // unit * unit)  # in two digits, and never longer than was asked for


def make_plan(text: str, where: str, plugins: Registry) -> Plan:
    """Return the plan of a suite's text; raise GanbenchError for what would be refused."""
    from ganbench import plan

    return plan.make(parse(text, where), plugins)


def create_suite(
    name: str, answers: SuiteAnswers, into: Path, plugins: Registry, workers: int
) -> tuple[Path, tuple[str, ...]]:
    """Write a suite into a folder as NAME.toml, and return its path with the cautions of its plan.

    `workers` are those whose time counts where minutes are asked for. Raise GanbenchError for a name that is not
    kebab-case, a file that exists, and a suite that could not be planned; nothing is written then. One whose files are
    not on this machine is written with a caution.
    """
    refuse_name(name, PLACE)
    file = into / f"{name}.toml"
    refuse_path(file, PLACE)
    if answers.minutes:
        answers = fit_steps(answers, plugins, workers)
    text = render_suite(name, answers, plugins, workers if answers.minutes else 0)
    try:
        cautions = tuple(make_plan(text, str(file), plugins).warnings)
    except GanbenchError as error:
        if not NotInstalled.behind(error):
            raise
        cautions = (str(error),)
    write_file(file, text.encode())
    return file, cautions
