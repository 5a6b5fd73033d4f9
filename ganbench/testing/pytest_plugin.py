"""The contract tests as a pytest plugin, loaded by its name alone: nobody's pytest finds it by itself.

pytest -p ganbench.testing.pytest_plugin --pyargs ganbench.testing.test_offers --contracts-of mine.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ganbench import registry
from ganbench.errors import unknown
from ganbench.registry.registry import Offered, Registry
from ganbench.testing.contracts import contracts
from ganbench.testing.rule import Contract


def is_file(word: str) -> bool:
    """Say whether a word means a plugin file, and no name."""
    return word.endswith(".py") or Path(word).is_file()


def load(words: Sequence[str]) -> Registry:
    """Load what is installed, and the files among the words. Raises GanbenchError for a file that does not import."""
    return registry.load(files=[word for word in words if is_file(word)])


def select_offers(plugins: Registry, words: Sequence[str]) -> list[Offered]:
    """Give the offers that are meant: those of a file, of a name, of a distribution; all of them for no word.

    Raises GanbenchError for a name that nobody knows.
    """
    everything = [offered for kind in plugins.kinds for offered in plugins.offers(kind)]
    found: list[Offered] = []
    for word in words:
        mine = [one for one in everything if _means(word, one)]
        if not mine:
            raise unknown("offer", word, {one.offer.name for one in everything}, "check")
        found += [one for one in mine if one not in found]
    return found if words else everything


def _means(word: str, offered: Offered) -> bool:
    if is_file(word):
        return Path(offered.origin or ".").resolve() == Path(word).resolve()
    return word in (offered.offer.name, offered.provider.partition(" ")[0])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says whose contracts to check."""
    parser.addoption("--contracts-of", action="append", default=[], metavar="NAME_OR_FILE")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test one contract after another."""
    if "contract" in metafunc.fixturenames:
        words = metafunc.config.getoption("contracts_of")
        plugins = load(words)
        metafunc.parametrize("contract", list(contracts(plugins, select_offers(plugins, words))), ids=str)


@dataclass
class Listener:
    """Hears what became of each contract: the sentence of its breach, "" where it is kept."""

    heard: list[tuple[Contract, str]] = field(default_factory=list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Take down one contract."""
        if call.when == "call":
            self.heard.append((item.callspec.params["contract"], str(call.excinfo.value) if call.excinfo else ""))
        return (yield)
