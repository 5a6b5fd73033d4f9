"""`ganbench check`: the contract tests for a plugin author, by a pytest that nobody's configuration reaches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ganbench.errors import GanbenchError
from ganbench.registry.registry import Offered, Problem

ALONE = [
    "-p", "ganbench.testing.pytest_plugin", "--pyargs", "ganbench.testing.test_offers",
    # no file of the author's (pytest.ini, pyproject, conftest) changes how contracts are run
    "-c", os.devnull, "--rootdir", str(Path(__file__).parent), "--noconftest", "--import-mode=append", "--assert=plain",
    *(word for name in ("cacheprovider", "terminal", "warnings", "faulthandler") for word in ("-p", f"no:{name}")),
]  # fmt: skip
ENVIRONMENT = {"PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@dataclass
class Verdict:
    """What is to be said of one offer: how many rules went for it, and the sentences about those it broke."""

    offered: Offered
    rules: int = 0
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        many = f"{self.rules} rules"
        head = f"{self.offered} of {self.offered.provider}: "
        head += f"{len(self.broken)} of {many} broken" if self.broken else f"{many} kept"
        said = (f"  {sentence}" for sentence in dict.fromkeys(self.broken))  # several rules may find one thing wrong
        return "\n".join([head, *said, *(f"  note: {note}" for note in self.notes)])


def check(words: Sequence[str]) -> tuple[list[Verdict], tuple[Problem, ...]]:
    """Check the offers of these files and names (all that is installed for none); give a verdict on each.

    The problems are plugins that did not import. Raises GanbenchError for what is no file and no name, and where
    pytest is not installed.
    """
    try:
        import pytest
    except ImportError:
        raise GanbenchError(
            "check: the contract tests run on pytest, which is not installed. pip install pytest, or 'ganbench[dev]'."
        ) from None
    from ganbench.testing.contracts import author_notes
    from ganbench.testing.pytest_plugin import Listener, load, select_offers

    plugins = load(words)
    verdicts = {
        (one.kind, one.offer.name): Verdict(one, notes=author_notes(one)) for one in select_offers(plugins, words)
    }
    listener = Listener()
    with isolated_pytest():
        code = pytest.main([*ALONE, *(f"--contracts-of={word}" for word in words)], plugins=[listener])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise GanbenchError(f"check: pytest {pytest.__version__} stopped with {code!r}. Run `ganbench doctor`.")
    for contract, sentence in listener.heard:
        offered = contract.subject.offered
        verdict = verdicts[offered.kind, offered.offer.name]
        verdict.rules += 1
        verdict.broken += [sentence] if sentence else []
    return list(verdicts.values()), plugins.problems


@contextmanager
def isolated_pytest() -> Iterator[None]:
    """Keep what the environment says to pytest away from it, and put it back."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
