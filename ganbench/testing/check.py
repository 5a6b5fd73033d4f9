"""`ganbench check`: the contract tests for a plugin author, run by a pytest without outside configuration."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ganbench.deprecation import GanbenchDeprecationWarning
from ganbench.errors import GanbenchError
from ganbench.registry.problems import Problem
from ganbench.registry.registry import Offered

ISOLATED_ARGUMENTS = [
    "-p", "ganbench.testing.pytest_plugin", "--pyargs", "ganbench.testing.test_offers",
    # no file of the author (pytest.ini, pyproject, conftest) changes how the contracts run
    "-c", os.devnull, "--rootdir", str(Path(__file__).parent), "--noconftest", "--import-mode=append", "--assert=plain",
    *(word for name in ("cacheprovider", "terminal", "warnings", "faulthandler") for word in ("-p", f"no:{name}")),
]  # fmt: skip
ENVIRONMENT = {"PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@dataclass
class Verdict:
    """The result of checking one offer: the number of rules that apply, and a message for each broken one.

    An offer that cannot be built is not checked: with `missing` options, which have no default and are not given, or
    with a `lack`, the sentence on a library or a file that is not installed.
    """

    offered: Offered
    rules: int = 0
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    lack: str = ""

    def __str__(self) -> str:
        if self.lack:
            return f"{self.offered} of {self.offered.provider}: not checked: {self.lack}"
        if self.missing:
            names = ", ".join(map(repr, self.missing))
            lack = f"option {names} has" if len(self.missing) == 1 else f"options {names} have"
            way_out = " ".join(f"--option {name}=..." for name in self.missing)
            return f"{self.offered} of {self.offered.provider}: not checked: {lack} no default; {way_out}"
        result = f"{len(self.broken)} of {self.rules} rules broken" if self.broken else f"{self.rules} rules passed"
        head = f"{self.offered} of {self.offered.provider}: {result}"
        messages = (f"  {message}" for message in dict.fromkeys(self.broken))  # several rules may find the same mistake
        return "\n".join([head, *messages, *(f"  note: {note}" for note in self.notes)])


def check(words: Sequence[str], options: Sequence[str] = ()) -> tuple[list[Verdict], tuple[Problem, ...]]:
    """Check the offers of these files and names (without words: all that are installed).

    `options` are texts `NAME.key=value` or `key=value`, as `given_options` reads them. Return a verdict on each offer,
    and the problems: the plugins that did not import. Raise GanbenchError for a word that is neither a file nor a known
    name, for an option of none of the offers, and where pytest is not installed. What a plugin uses although it will be
    removed is a warning on stderr.
    """
    try:
        import pytest
    except ImportError:
        raise GanbenchError(
            "check: the contract tests run on pytest, which is not installed. pip install pytest, or 'ganbench[dev]'."
        ) from None
    from ganbench.testing.contracts import author_notes, find_lack
    from ganbench.testing.given_options import find_missing, give_options
    from ganbench.testing.pytest_plugin import Listener, load_plugins, select_offers
    from ganbench.testing.rule import Subject

    with warnings.catch_warnings():
        warnings.simplefilter("default", GanbenchDeprecationWarning)
        plugins = load_plugins(words)
        offers = select_offers(plugins, words)
        given, verdicts = give_options(plugins, offers, options), dict[tuple[str, str], Verdict]()
        for offered in offers:
            key = (offered.kind, offered.offer.name)
            own_options = dict(given.get(key, {}))
            missing = find_missing(offered, own_options)
            lack = "" if missing else find_lack(Subject(offered, plugins, own_options))
            verdicts[key] = Verdict(offered, notes=author_notes(offered), missing=missing, lack=lack)
    listener = Listener()
    with isolated_pytest():
        arguments = [f"--contracts-of={word}" for word in words] + [f"--contract-option={text}" for text in options]
        code = pytest.main([*ISOLATED_ARGUMENTS, *arguments], plugins=[listener])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise GanbenchError(f"check: pytest {pytest.__version__} stopped with {code!r}. Run `ganbench doctor`.")
    for contract, message in listener.results:
        offered = contract.subject.offered
        verdict = verdicts[offered.kind, offered.offer.name]
        verdict.rules += 1
        verdict.broken += [message] if message else []
    return list(verdicts.values()), plugins.problems


@contextmanager
def isolated_pytest() -> Iterator[None]:
    """Hide the environment variables that configure pytest, and restore them at the end."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
