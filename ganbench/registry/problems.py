"""Installed plugins that could not be loaded: what is kept of each, for the messages that miss its offers."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from ganbench.api.version import WrongApi, refuse_api_of_text
from ganbench.registry.local_modules import find_module_file, read_source


@dataclass(frozen=True)
class Problem:
    """An installed plugin that failed to import, or was refused; the other plugins are still loaded.

    `refusal` says why it was refused, beginning with the distribution; "" for one that failed to import.
    """

    entry_point: str
    distribution: str
    traceback: str
    refusal: str = ""

    def __str__(self) -> str:
        if self.refusal:
            return f"plugin {self.entry_point!r} of {self.refusal}"
        reason = self.traceback.strip().rpartition("\n")[2]
        return f"plugin {self.entry_point!r} of {self.distribution} failed to import: {reason}"


def make_problem(entry_point: EntryPoint, distribution: str, error: BaseException) -> Problem:
    """Return the problem of an installed plugin that raised an error when it was loaded."""
    text = "".join(traceback.format_exception(error))
    refusal = str(error) if isinstance(error, WrongApi) else _find_refusal(entry_point.module, distribution)
    return Problem(entry_point.name, distribution, text, refusal)


def _find_refusal(module: str, provider: str) -> str:
    """Return why a module that failed to import is refused, "" if its text declares no other API."""
    file = find_module_file(module)
    try:
        refuse_api_of_text(read_source(file, module) if file else "", provider)
    except WrongApi as refusal:
        return str(refusal)
    except (OSError, SyntaxError):
        pass
    return ""
