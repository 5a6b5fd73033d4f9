"""What will be removed from the public API: it warns for one minor release, and the warning names the replacement.

CONTRIBUTING.md has the procedure.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, NamedTuple


class GanbenchDeprecationWarning(DeprecationWarning):
    """A plugin uses what a coming release removes. The message names the replacement and that release.

    Python shows it in tests, and `ganbench check` shows it always. Who only runs a suite does not see it.
    """


class Deprecation(NamedTuple):
    """The removal of a name or a field: what replaces it, and the release in which it goes, such as "0.3"."""

    instead: str
    goes_in: str


NAMES: Mapping[str, Deprecation] = MappingProxyType({})
"""The public names `ganbench.NAME` that will be removed. None at present."""


def warn(what: str, deprecation: Deprecation, stacklevel: int = 2) -> None:
    """Warn that `what` will be removed; `stacklevel` is that of `warnings.warn`, 2 for the caller of the caller."""
    message = f"{what} will be removed in ganbench {deprecation.goes_in}. Use {deprecation.instead}."
    warnings.warn(message, GanbenchDeprecationWarning, stacklevel=stacklevel + 1)


def warn_on_access(get: Callable[[str], Any], package: str) -> Callable[[str], Any]:
    """Return a package's `__getattr__` that warns of the deprecated names, and takes all from `get`."""

    def get_and_warn(name: str) -> Any:
        found = get(name)
        if name in NAMES:
            vars(sys.modules[package]).pop(name, None)  # where it is kept, the next use would not warn
            warn(f"{package}.{name}", NAMES[name])
        return found

    return get_and_warn


def warn_of_fields(record: Any, where: str) -> None:
    """Warn of each deprecated field of a record that a plugin has set; `where` opens the message. Functions have none.

    A deprecated field has its `Deprecation` in its metadata: `field(default=0, metadata={"deprecated": ...})`.
    """
    for field in fields(record) if is_dataclass(record) else ():
        deprecation = field.metadata.get("deprecated")
        if deprecation and _is_set(record, field):
            warn(f"{where}: the field {field.name!r} of {type(record).__name__}", deprecation)


def _is_set(record: Any, field: Field[Any]) -> bool:
    """Return whether a field of a record differs from its default."""
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return bool(getattr(record, field.name) != default)
