"""The number of the plugin API: a plugin says which one it was written for, as `ganbench_api = 1` in its module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from ganbench.errors import GanbenchError, shorten

API_VERSION = 1
"""The API of this ganbench. It rises with every release that adds a hook, a record or a field."""

OLDEST_API = 1
"""The oldest API that this ganbench still serves. It rises when something is removed, a release after its warning."""

DECLARATION = "ganbench_api"
"""The name under which a plugin's module declares the API that it was written for."""


class WrongApi(GanbenchError):
    """A plugin was written for an API that this ganbench does not serve."""


def read_api(plugin: Any, provider: str) -> int | None:
    """Return the API that a plugin declares; None if it declares none.

    Raise WrongApi, with a message that begins with the provider, for a number that this ganbench does not serve.
    """
    declared = getattr(plugin, DECLARATION, None)
    if declared is not None:
        refuse_api(declared, provider)
    return declared


def refuse_api(declared: Any, provider: str) -> None:
    """Raise WrongApi unless a declared API is a number from `OLDEST_API` to `API_VERSION`."""
    if type(declared) is not int:
        raise WrongApi(f"{provider}: {DECLARATION} is {shorten(declared)}. Write a whole number: {API_VERSION}.")
    if declared > API_VERSION:
        raise WrongApi(
            f"{provider}: it was written for API {declared} of ganbench, and this ganbench has API {API_VERSION}. "
            "Upgrade: pip install --upgrade ganbench."
        )
    if declared < OLDEST_API:
        raise WrongApi(
            f"{provider}: it was written for API {declared} of ganbench, and this ganbench serves API {OLDEST_API} and "
            "later. Install a newer release of the plugin."
        )


def refuse_api_of_text(text: str, provider: str) -> None:
    """Raise WrongApi for an API that a module declares in its text and that this ganbench does not serve.

    A module that was written for a newer API often fails at an import, before it can declare anything. Nothing is
    raised for a text that declares no constant.
    """
    for declared in _find_declarations(text):
        refuse_api(declared, provider)


def _find_declarations(text: str) -> Iterator[Any]:
    """Yield the constants that a module's text assigns to `ganbench_api`, outside of functions."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        named = any(isinstance(target, ast.Name) and target.id == DECLARATION for target in targets)
        value = getattr(node, "value", None)
        if named and isinstance(value, ast.Constant):
            yield value.value
