"""Find what a plugin changes in Python when it is called: a counter, a growing list, a cache that is never full.

A recorded step would never see such a change, and seeds that train together in a loop would share it.
"""

from __future__ import annotations

import inspect
import random
import sys
import warnings
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import FunctionType, GeneratorType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ganbench.engine.program import Program
from ganbench.errors import GanbenchError, shorten
from ganbench.registry.local_modules import OUTSIDE, is_local
from ganbench.registry.source_text import find_global_names, unwrap_definition

WAY_OUT = (
    "Keep what changes from step to step as tensors in a state (`init`), or let it follow `play.progress`, a schedule "
    "(an option annotated Scalar) or `every`."
)
WATCHED_CALLS = (2, 3)
"""The calls before and after which the state is compared; the first call may fill a cache or import a library."""

MOST_VALUES, MOST_ELEMENTS, MOST_BYTES = 10_000, 1_000, 1 << 20
"""The limits of a look at a plugin: values in all, elements of one container, bytes of one array."""

ATOMS = (bool, int, float, complex, str, bytes, type(None))
CONTAINERS = (list, tuple, deque)
OPAQUE = (torch.Size, torch.dtype, torch.device, range, ModuleType)


def list_parts(program: Program, architecture: Any) -> dict[str, Any]:
    """Return the parts of a training that plugins built, each under the words that name its offer in a message."""
    parts: dict[str, Any] = {program.loss_name: program.objective}
    parts |= {f"constraint {link.name!r}": link.part for link in program.constraints}
    parts |= {f"input {link.name!r}": link.part for link in program.inputs}
    if program.dynamics.critic or program.dynamics.generator:
        parts[program.dynamics_name] = program.dynamics
    return {**parts, "the architecture": architecture}


class ReplayDiffers(Exception):
    """A recorded step and a call of its function gave different values; `call` calls the function once more."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call


class PluginWatch:
    """Watches the Python state of the plugins in `parts` during the second and the third call of each step."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self.parts, self.calls = parts, Counter[Hashable]()
        self.homes = {
            find_home(value) for part in parts.values() for value in vars(part).values() if callable(value)
        } - OUTSIDE

    @contextmanager
    def step(self, key: Hashable) -> Iterator[None]:
        """Raise GanbenchError if a plugin changes its Python state in the block, or if a replay in it differs.

        `key` names the functions that the block calls.
        """
        self.calls[key] += 1
        try:
            if self.calls[key] in WATCHED_CALLS:
                with self.unchanged():
                    yield
            else:
                yield
        except ReplayDiffers as error:
            with self.unchanged():
                error.call()
            raise GanbenchError(
                f"{' or '.join(self.parts)} gives other values when it is called than in the step that was recorded "
                "of it: it reads what changes in Python, such as a counter, a clock, a global variable or random "
                f"numbers. {WAY_OUT}"
            ) from None

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Raise GanbenchError if a plugin changes its Python state in the block."""
        before = {name: self.look_at(part) for name, part in self.parts.items()}
        yield
        for name, part in self.parts.items():
            if change := find_change(before[name], self.look_at(part)):
                raise GanbenchError(f"{name} keeps a state in Python: {change} in one update. {WAY_OUT}")

    def look_at(self, part: Any) -> Look:
        """Return what is to be seen of a part now."""
        look = Look(self.homes)
        for name, value in vars(part).items():
            look.visit(value, name)
        return look


def find_home(thing: Any) -> str:
    """Return the top-level package or module that defines a function or the class of an object."""
    return str(getattr(unwrap_definition(thing), "__module__", "")).partition(".")[0]


def find_change(before: Look, after: Look) -> str:
    """Return in words the first value that differs; "" if there is none."""
    for path in dict.fromkeys([*before.values, *after.values]):
        old, new = (look.values.get(path, "nothing") for look in (before, after))
        if old is not new and old != new:
            shown = isinstance(old, ATOMS) and isinstance(new, ATOMS)
            return f"`{path}` changes" + (f" from {shorten(old)} to {shorten(new)}" if shown else "")
    return ""


class Look:
    """What can be reached from a plugin's functions: simple values by path, and a fingerprint of everything else.

    `homes` are the packages whose code is looked into, besides all that is not installed as a library.
    """

    def __init__(self, homes: Iterable[str]) -> None:
        self.homes = frozenset(homes)
        self.values: dict[str, Any] = {}
        self.seen: dict[int, Any] = {}  # the objects too, so that no identity is used twice

    def visit(self, thing: Any, path: str) -> None:
        """Add a thing and all that can be reached from it, what is near before what is far."""
        todo = deque([(thing, path)])
        while todo and len(self.values) < MOST_VALUES:
            thing, path = todo.popleft()
            if isinstance(thing, ATOMS):
                self.add(path, thing)
            elif len(todo) < MOST_VALUES and id(thing) not in self.seen and not isinstance(thing, OPAQUE):
                self.seen[id(thing)] = thing
                try:
                    todo.extend((part, name) for name, part in self.parts_of(thing, path))
                except Exception:  # an object of a third party may raise anything when it is looked at
                    self.add(path, "unreadable")

    def add(self, path: str, value: Any) -> None:
        """Add a value; things of one name in two modules get two names."""
        while path in self.values:
            path += "'"
        self.values[path] = value

    def parts_of(self, thing: Any, path: str) -> Iterator[tuple[str, Any]]:
        """Yield what a thing has, each with its path."""
        if isinstance(thing, Tensor):
            self.add(path, (id(thing), 0 if thing.is_inference() else thing._version))
        elif isinstance(thing, dict | MappingProxyType):
            self.add(f"len({path})", len(thing))
            yield from ((f"{path}[{shorten(key)}]", part) for key, part in islice(thing.items(), MOST_ELEMENTS))
        elif isinstance(thing, CONTAINERS):
            self.add(f"len({path})", len(thing))
            yield from ((f"{path}[{i}]", part) for i, part in enumerate(islice(thing, MOST_ELEMENTS)))
        elif isinstance(thing, set | frozenset):
            self.add(path, frozenset(part for part in thing if isinstance(part, ATOMS)))
        elif isinstance(thing, partial):
            yield from ((path, part) for part in (thing.func, *thing.args, thing.keywords))
        elif isinstance(thing, MethodType):
            yield from ((path, thing.__self__), (f"{path}.{thing.__name__}", thing.__func__))
        elif isinstance(thing, FunctionType):
            yield from self.parts_of_function(thing, path) if self.is_own(thing.__module__) else ()
        elif isinstance(thing, type):
            yield from self.parts_of_class(thing, path)
        else:
            yield from self.parts_of_object(thing, path)

    def parts_of_function(self, function: FunctionType, path: str) -> Iterator[tuple[str, Any]]:
        """Yield what a function has: its closure, defaults and attributes, and the globals that it names."""
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                yield f"{path}.{name}", cell.cell_contents
            except ValueError:  # not yet assigned
                continue
        yield from ((f"{path}({i})", part) for i, part in enumerate(function.__defaults__ or ()))
        yield from ((f"{path}({name})", part) for name, part in (function.__kwdefaults__ or {}).items())
        yield from ((f"{path}.{name}", part) for name, part in vars(function).items())
        names = list(dict.fromkeys(find_global_names(function.__code__)))
        for name in names:
            thing = function.__globals__.get(name)
            if isinstance(thing, ModuleType) and self.is_own(thing.__name__):
                yield from ((f"{name}.{word}", vars(thing)[word]) for word in names if word in vars(thing))
            elif name in function.__globals__:
                yield name, thing

    def parts_of_class(self, kind: type, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the methods and attributes of a class and its bases, where they are a plugin's own code."""
        for base in kind.__mro__:
            if self.is_own(base.__module__):
                for name, part in list(vars(base).items()):
                    function = getattr(part, "__func__", getattr(part, "fget", part))  # behind staticmethod, property
                    if inspect.isfunction(function) or not name.startswith("__"):
                        yield f"{path}.{name}", function

    def parts_of_object(self, thing: Any, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the attributes of an object; a generator of random numbers and an array become a fingerprint."""
        kind = type(thing)
        if isinstance(thing, torch.Generator):
            self.add(path, bytes(thing.get_state().tolist()))
        elif isinstance(thing, random.Random):
            self.add(path, thing.getstate())
        elif isinstance(thing, GeneratorType):
            if thing.gi_frame is not None and self.is_own(thing.gi_frame.f_globals.get("__name__")):
                yield from ((f"{path}.{name}", part) for name, part in dict(thing.gi_frame.f_locals).items())
                yield path, thing.gi_yieldfrom
        elif kind.__module__ in ("numpy", "array"):
            self.add(path, thing.tobytes() if getattr(thing, "nbytes", MOST_BYTES) < MOST_BYTES else None)
        elif kind.__module__ == "itertools" or kind.__module__.startswith("numpy.random") or is_builtin_iterator(thing):
            yield path, reduce_to_parts(thing)
        elif self.is_own(kind.__module__) or is_dataclass(thing) or isinstance(thing, nn.Module | SimpleNamespace):
            yield path, kind
            state = object.__getstate__(thing)  # the attributes, and those in slots
            for attributes in state if isinstance(state, tuple) else (state,):
                yield from ((f"{path}.{name}", part) for name, part in (attributes or {}).items())

    def is_own(self, module: str | None) -> bool:
        """Return whether a module is a plugin's own code, and not that of ganbench, torch, Python or a library."""
        top = str(module).partition(".")[0]
        if top in self.homes or top in OUTSIDE:
            return top in self.homes
        file = getattr(sys.modules.get(str(module)), "__file__", None)
        return file is None or is_local(Path(file))


def is_builtin_iterator(thing: Any) -> bool:
    """Return whether a thing is an iterator of Python's own, over a list for instance."""
    return type(thing).__module__ == "builtins" and isinstance(thing, Iterator)


def reduce_to_parts(thing: Any) -> Any:
    """Return what `pickle` would store of an iterator or a generator of random numbers; None if it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.14 no longer reduces what itertools makes
        try:
            return thing.__reduce__()
        except TypeError:
            return None
