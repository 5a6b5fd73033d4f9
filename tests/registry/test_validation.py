"""What a plugin hands over is checked where it enters, and refused by the name of its offer and of the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ganbench import Draw, Extractor, GanbenchError, Metric, Offer, Source, hookimpl
from ganbench.registry.registry import Registry, load


def load_offer(kind: str, build: Callable[[], Any], **fields: Any) -> Registry:
    """Return the registry of one offer "mine"."""

    def hook() -> Iterator[Offer]:
        yield Offer(**{"name": "mine", "build": build, "summary": "Mine.", **fields})

    hook.__name__ = f"ganbench_{kind}"
    return load(plugins=[hookimpl(hook)], installed=False)


def metric(**fields: Any) -> Callable[[], Metric]:
    return lambda: Metric(**{"measure": lambda evidence: {"m": 1.0}, "values": {"m": "higher"}, **fields})


def source(**fields: Any) -> Callable[[], Source]:
    return lambda: Source(**{"shape": (2,), "reference": lambda n: None, **fields})


@pytest.mark.parametrize(
    ("kind", "build", "message"),
    [
        ("metrics", metric(values={"m": "up"}), "the direction of 'm' is 'up'. Known: higher, lower, neutral."),
        ("metrics", metric(values={"m": ["higher"]}), r"the direction of 'm' is \['higher'\]"),
        ("metrics", metric(values={3: "higher"}), "`values` is {3: 'higher'}: it must be a dictionary of names"),
        ("metrics", metric(values={"\ud800": "higher"}), "it must be a dictionary of names"),
        ("metrics", metric(values={}), "`values` is {}"),
        ("metrics", metric(values=["m"]), r"`values` is \['m'\]"),
        ("metrics", metric(needs="feature"), "`needs` is 'feature': it must be one of 'samples', 'features', 'netw"),
        ("metrics", metric(least_samples=2.5), "`least_samples` is 2.5: it must be a whole number, 1 or more"),
        ("metrics", metric(least_samples=True), "`least_samples` is True"),
        ("metrics", metric(measure=None), "`measure` is None: it must be a function"),
        ("metrics", metric(final="yes"), "`final` is 'yes': it must be True or False"),
        ("metrics", metric(software=1.0), "`software` is 1.0: it must be a text"),
        ("metrics", lambda: {"m": 1.0}, "build returns {'m': 1.0}. It must return a Metric."),
        ("datasets", source(shape=2), "`shape` is 2: it must be a tuple of whole numbers"),
        ("datasets", source(shape=("a",)), "`shape` is"),
        ("datasets", source(reference=None), "`reference` is None: it must be a function"),
        ("datasets", source(extractor=lambda x: x), "it must be an Extractor or None"),
        (
            "datasets",
            source(extractor=Extractor(name="net", digest=3, extract=lambda x: {})),  # type: ignore[arg-type]
            "`extractor.digest` is 3: it must be a text",
        ),
        ("datasets", source(range=1.0), "`range` is 1.0: it must be two finite numbers, the lower one first"),
        ("datasets", source(range=(0, "1")), "`range` is"),
        ("datasets", source(range=(0.0, math.inf)), "`range` is"),
        ("datasets", source(stream="yes"), "`stream` is 'yes': it must be True or False"),
        ("datasets", source(augment=1), "`augment` is 1: it must be a function or None"),
        ("datasets", source(draws=5), "`draws` is 5: it must be a dictionary of Draws"),
        ("datasets", source(draws={"flip": Draw("sighn")}), "whose laws are normal, uniform, sign, onehot"),
        ("datasets", source(facts=None), "`facts` is None: it must be a dictionary"),
        ("losses", lambda: None, "build returns None. It must return an Objective."),
        ("optimizers", lambda: None, "build returns None. It must return a function."),
    ],
)
def test_what_a_build_returns_is_refused_by_name(kind: str, build: Callable[[], Any], message: str) -> None:
    with pytest.raises(GanbenchError, match=message) as refused:
        load_offer(kind, build).build(kind, "mine", where="suite: here")
    assert str(refused.value).startswith("suite: here: ")
    assert " 'mine': " in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"summary": None}, "`summary` is None: it must be a text"),
        ({"summary": "half \ud83d"}, "`summary` is 'half .ud83d': it must be a text"),
        ({"version": "2"}, "`version` is '2': it must be a whole number"),
        ({"version": True}, "`version` is True"),
        ({"stackable": "no"}, "`stackable` is 'no': it must be True or False"),
        ({"metrics": "fid"}, "`metrics` is 'fid': it must be a tuple of names"),
        ({"examples": None}, "`examples` is None: it must be a tuple of Examples"),
        ({"caution": "slow"}, "`caution` is 'slow': it must be a function or None"),
    ],
)
def test_a_field_of_an_offer_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GanbenchError, match=f"ganbench_metrics: 'mine': {message}"):
        load_offer("metrics", metric(), **fields)


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    load_offer("metrics", metric(least_samples=numpy.int64(4))).build("metrics", "mine")
