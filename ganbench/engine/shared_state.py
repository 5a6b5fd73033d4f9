"""What all methods of a process share: torch's functions, its settings, and the process around it; changes are undone.

A plugin that replaces `torch.Tensor.mean`, or calls `torch.set_grad_enabled(False)`, changes the numbers of every other
method that trains in the same process. `SharedState` remembers how things are, finds what was changed, and restores it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from operator import is_
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import torch

from ganbench.engine.shared_settings import SETTINGS
from ganbench.errors import shorten

ROOTS = (
    *("torch.nn", "torch.optim", "torch.autograd", "torch.func", "torch._functorch", "torch.functional", "torch._VF"),
    *("torch.linalg", "torch.fft", "torch.special", "torch.random", "torch._C._nn", "ganbench"),
)
"""Modules whose functions and classes training calls, with their submodules; `torch` itself without its others."""

TORCH = str(Path(torch.__file__).parent)
WRAPPERS = (f"{TORCH}/optim/optimizer.py", f"{TORCH}/_compile.py", f"{TORCH}/_dynamo/")
"""Files of torch that wrap functions of torch when they are first used: the step of an optimizer, `manual_seed`."""

STREAMS = {1: ("stdout", "the standard output"), 2: ("stderr", "the standard error")}

FOLLOWS_SETTING = {"Storage"}
"""Names in `torch` that one of its settings replaces: the default dtype."""

MISSING = object()


class Change(NamedTuple):
    """What was changed, as a sentence without its full stop, and the file whose code did it ("" if it is unknown)."""

    text: str
    file: str = ""


class SharedState:
    """The functions and settings of this process at the moment at which it is made; `undo` restores them.

    A name that is new is no change, since libraries add names when they are first used. A name that was replaced or
    deleted is one, and so is a new name in a class that hides an inherited one.
    """

    def __init__(self) -> None:
        self.functions = [(owner, dict(vars(owner))) for owner in list_owners()]
        self.settings = [(setting, setting.value()) for setting in SETTINGS]
        self.streams = StandardStreams()

    def undo(self) -> tuple[list[Change], list[Change]]:
        """Restore what was changed; return the changes, and those of them that could not be undone.

        A setting that is `quiet` is restored, too, but is no change.
        """
        changes: list[Change] = []
        lasting: list[Change] = []
        for change, undone in [*self._undo_functions(), *self.streams.undo()]:
            changes.append(change)
            lasting += [] if undone else [change]
        # All settings are read before one is written, because some set each other.
        changed = [(setting, old, new) for setting, old in self.settings if (new := setting.value()) != old]
        for setting, old, _ in changed:
            with suppress(Exception):
                setting.write(old)
        for setting, old, new in changed:
            if not setting.quiet:
                changes.append(Change(f"{setting.name} went from {shorten(old)} to {shorten(new)}"))
                lasting += [] if setting.value() == old else [changes[-1]]
        return changes, lasting

    def _undo_functions(self) -> Iterator[tuple[Change, bool]]:
        """Restore every function; yield each change, and whether it could be undone."""
        for owner, before in self.functions:
            now = dict(vars(owner))
            if len(now) == len(before) and all(map(is_, before.values(), now.values())):
                continue  # in C, as there are twenty thousand names
            hidden = find_hidden(owner, now.keys() - before.keys()) if isinstance(owner, type) else {}
            for name, old in [*before.items(), *hidden.items()]:
                new = now.get(name, MISSING)
                if new is old or not is_code(old) or name in FOLLOWS_SETTING:
                    continue
                if strip_wrappers(new) is strip_wrappers(old):
                    continue
                try:
                    delattr(owner, name) if name in hidden else setattr(owner, name, old)
                except (AttributeError, TypeError):
                    yield describe_replacement(owner, name, new), False
                else:
                    yield describe_replacement(owner, name, new), True


class StandardStreams:
    """The standard output and error: the objects in `sys`, and the open files below them."""

    def __init__(self) -> None:
        self.objects = {number: getattr(sys, name) for number, (name, _) in STREAMS.items()}
        self.open = {number for number, stream in self.objects.items() if not getattr(stream, "closed", True)}
        self.files = {number: identify(number) for number in STREAMS}
        self.copies = {number: os.dup(number) for number, file in self.files.items() if file is not None}

    def undo(self) -> Iterator[tuple[Change, bool]]:
        """Open again what was closed; yield each change. A stream that was only replaced is put back without a word."""
        for number, (name, title) in STREAMS.items():
            closed = identify(number) != self.files[number] and self.has_copy(number)
            if closed:
                os.dup2(self.copies[number], number)
            stream = self.objects[number]
            if number in self.open and stream.closed:
                closed = True
                stream = os.fdopen(number, "w", buffering=1, errors="backslashreplace", closefd=False)
            setattr(sys, name, stream)
            if closed:
                yield Change(f"{title} was closed"), True

    def has_copy(self, number: int) -> bool:
        """Return whether the copy of a file is still that file: a plugin may have closed it, too."""
        return number in self.copies and identify(self.copies[number]) == self.files[number]

    def __del__(self) -> None:
        """Close the copies."""
        for number, copy in self.copies.items():
            if self.has_copy(number):
                os.close(copy)


def identify(number: int) -> tuple[int, int] | None:
    """Return the device and the inode of an open file, None if none is open under this number."""
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def list_owners() -> list[Any]:
    """Return the modules whose functions training calls, and the classes in them."""
    prefixes = tuple(f"{root}." for root in ROOTS)
    modules = [
        module
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and (name in ROOTS or name.startswith(prefixes))
    ]
    operators: Any = torch.ops.aten
    owners: dict[int, Any] = {id(module): module for module in (torch, operators, *modules)}
    for module in (torch, *modules):
        for value in list(vars(module).values()):
            # The type is asked, not the value: an object that torch loads lazily answers `isinstance` by a warning.
            if issubclass(type(value), type) and str(value.__module__).startswith(("torch", "ganbench")):
                owners[id(value)] = value
    return list(owners.values())


def find_hidden(owner: type, names: set[str]) -> dict[str, Any]:
    """Return what a class inherits under these names, which it now has itself."""
    tables = [vars(base) for base in owner.__mro__[1:]]
    return {name: table[name] for table in reversed(tables) for name in names & table.keys()}


def is_code(value: object) -> bool:
    """Return whether a value in a module or a class is a function, a class, or one that a descriptor holds."""
    return callable(value) or isinstance(value, (staticmethod, classmethod, property))


def strip_wrappers(value: Any) -> Any:
    """Return a function without the wrappers that torch itself puts around it when it is first used."""
    while isinstance(value, FunctionType) and value.__code__.co_filename.startswith(WRAPPERS):
        if not hasattr(value, "__wrapped__"):
            break
        value = value.__wrapped__
    return value


def describe_replacement(owner: Any, name: str, new: Any) -> Change:
    """Return the change of a function, with the code that took its place."""
    place = f"{getattr(owner, '__module__', '')}.{owner.__qualname__}" if isinstance(owner, type) else owner.__name__
    if new is MISSING:
        return Change(f"{place}.{name} was deleted")
    function = find_function(new)
    if function is None:
        return Change(f"{place}.{name} was replaced by {shorten(getattr(new, '__name__', new))}")
    code = function.__code__
    where = f"{Path(code.co_filename).name}, line {code.co_firstlineno}"
    return Change(f"{place}.{name} was replaced by {shorten(function.__qualname__)[1:-1]} ({where})", code.co_filename)


def find_function(value: Any) -> FunctionType | None:
    """Return the first function outside torch among an object and what it wraps; None if there is none."""
    for _ in range(20):
        if isinstance(value, FunctionType) and not value.__code__.co_filename.startswith(TORCH):
            return value
        links = (getattr(value, link, None) for link in ("__wrapped__", "__func__", "func", "fget"))
        value = next((link for link in links if link is not None), type(value).__call__ if callable(value) else None)
    return None
