"""A plugin that leaves while it is loaded or built is refused by name; only Ctrl-C ends the program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError, Objective, Offer, Space, hookimpl
from ganbench.registry.registry import load

from tests.support.tiny_suite import plan_small


class Leave(BaseException):
    """What ends a program and is no Exception."""


def offer_loss(build: Callable[[], Any], caution: Any = None) -> Any:
    @hookimpl
    def ganbench_losses() -> Iterator[Offer]:
        yield Offer("mine", build, "A loss.", caution=caution)

    return ganbench_losses


def raise_(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


@pytest.mark.parametrize("error", [SystemExit(0), Leave("now")])
def test_an_offer_that_leaves_while_it_is_built_is_refused_by_name_and_line(error: BaseException) -> None:
    plugins = load(plugins=[offer_loss(raise_(error))], installed=False)
    with pytest.raises(GanbenchError, match=r"^here: loss 'mine': build of .* failed: it ends the program") as refused:
        plugins.build("losses", "mine", where="here")
    assert f"({type(error).__name__}: {error}) in test_exits.py, line " in str(refused.value)


def test_ctrl_c_in_a_build_ends_the_program() -> None:
    plugins = load(plugins=[offer_loss(raise_(KeyboardInterrupt()))], installed=False)
    with pytest.raises(KeyboardInterrupt):
        plugins.build("losses", "mine")


@pytest.mark.parametrize("line", ["sys.exit(0)", "raise type('Leave', (BaseException,), {})('now')"])
def test_a_file_that_leaves_when_it_is_imported_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"import sys\n{line}\n")
    with pytest.raises(GanbenchError, match=f"{file}:2: (SystemExit: 0|Leave: now)"):
        load(files=[file], installed=False)


def test_a_hook_and_an_object_that_leave_are_refused() -> None:
    @hookimpl
    def ganbench_losses() -> Iterator[Offer]:
        sys.exit(0)

    class Plugin:
        def __init__(self) -> None:
            sys.exit(0)

    for plugin, message in ((ganbench_losses, "ganbench_losses failed: it ends"), (Plugin, "Plugin'> failed: it ends")):
        with pytest.raises(GanbenchError, match=message):
            load(plugins=[plugin], installed=False)


@pytest.mark.parametrize("error", [SystemExit(0), ZeroDivisionError("no paper")])
def test_a_caution_or_a_space_that_fails_is_named_when_a_suite_is_planned(error: BaseException) -> None:
    fail = raise_(error)

    @hookimpl
    def ganbench_architectures() -> Iterator[Offer]:
        yield Offer("space", lambda: Space(sample=lambda rng: fail(), networks=fail), "Fails when it is sampled.")

    plugins = load(
        plugins=[offer_loss(lambda: Objective(fail, fail), lambda recipe, spec: fail()), ganbench_architectures]
    )
    with pytest.raises(GanbenchError, match=r"^loss 'mine' of .*: `caution` failed: .*(SystemExit|ZeroDivision)"):
        plan_small(plugins, method=[{"name": "m", "from": "ns-gan", "loss": "mine"}])
    with pytest.raises(GanbenchError, match=r"^s.toml: architectures.*: `sample` failed: .*(SystemExit|ZeroDivision)"):
        plan_small(plugins, architectures={"space": "space"})
