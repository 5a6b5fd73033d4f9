"""The contract tests as a pytest plugin. It is loaded only by its name: no entry point makes pytest load it.

pytest -p ganbench.testing.pytest_plugin --pyargs ganbench.testing.test_offers --contracts-of mine.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ganbench import registry
from ganbench.errors import unknown_name
from ganbench.registry.registry import Offered, Registry
from ganbench.testing.contracts import contracts
from ganbench.testing.given_options import give_options
from ganbench.testing.rule import Contract


def is_file(word: str) -> bool:
    """Return whether a word is a plugin file rather than a name."""
    return word.endswith(".py") or Path(word).is_file()


def load_plugins(words: Sequence[str]) -> Registry:
    """Load what is installed, and the files among the words; raise GanbenchError for a file that does not import."""
    return registry.load(files=[word for word in words if is_file(word)])


def select_offers(plugins: Registry, words: Sequence[str]) -> list[Offered]:
    """Return the offers of these files, names and distributions (without words: all offers).

    Raise GanbenchError for an unknown name.
    """
    everything = [offered for kind in plugins.kinds for offered in plugins.offers(kind)]
    selection: list[Offered] = []
    for word in words:
        matches = [offered for offered in everything if _matches(word, offered)]
        if not matches:
            raise unknown_name("offer", word, {offered.offer.name for offered in everything}, "check")
        selection += [offered for offered in matches if offered not in selection]
    return selection if words else everything


def _matches(word: str, offered: Offered) -> bool:
    if is_file(word):
        return Path(offered.origin or ".").resolve() == Path(word).resolve()
    return word in (offered.offer.name, offered.provider.partition(" ")[0])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that select the offers to check and give them options."""
    parser.addoption("--contracts-of", action="append", default=[], metavar="NAME_OR_FILE")
    parser.addoption("--contract-option", action="append", default=[], metavar="[NAME.]KEY=VALUE")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise a test that has the argument `contract` with the selected offers' contracts."""
    if "contract" in metafunc.fixturenames:
        words = metafunc.config.getoption("contracts_of")
        plugins = load_plugins(words)
        offers = select_offers(plugins, words)
        given = give_options(plugins, offers, metafunc.config.getoption("contract_option"))
        metafunc.parametrize("contract", list(contracts(plugins, offers, given)), ids=str)


@dataclass(eq=False)  # pytest puts plugins into a set
class Listener:
    """Collects the result of each contract: the message of a broken one, "" for one that passed."""

    results: list[tuple[Contract, str]] = field(default_factory=list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Add the result of one contract."""
        if call.when == "call":
            self.results.append((item.callspec.params["contract"], str(call.excinfo.value) if call.excinfo else ""))
        return (yield)
