"""What is installed, in one mapping per kind: entry points, plugin files, and what a notebook hands over."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import tokenize
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from inspect import isroutine
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pluggy

from ganbench.api import hooks
from ganbench.api.offers import KINDS, NONE, Offer
from ganbench.api.schedules import parse_scalar as schedule
from ganbench.errors import GanbenchError, unknown
from ganbench.registry import code_hash
from ganbench.registry.options import Options

GROUP = "ganbench"
PREFIX = "ganbench_"
HOOKS = tuple(sorted(name for name in vars(hooks) if name.startswith(PREFIX)))


@dataclass(frozen=True)
class Problem:
    """An installed plugin that failed to import; the others go on without it."""

    entry_point: str
    distribution: str
    traceback: str

    def __str__(self) -> str:
        reason = self.traceback.strip().rpartition("\n")[2]
        return f"plugin {self.entry_point!r} of {self.distribution} failed to import: {reason}"


@dataclass(frozen=True)
class Offered:
    """An offer, who provides it ("ganbench 0.1.0", "mine.py"), and the file in which it stands ("" for a notebook)."""

    kind: str
    offer: Offer
    provider: str
    origin: str
    hook: Callable[..., Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{KINDS[self.kind]} {self.offer.name!r}"

    @cached_property
    def options(self) -> Options:
        """What a suite may say of it."""
        return Options(self.offer.build, f"{self} of {self.provider}")


class Registry:
    """Every offer by kind and name. `hooks` are pluggy's, for the verbs; `problems` are plugins that did not import."""

    def __init__(
        self,
        offered: Mapping[str, Mapping[str, Offered]],
        problems: Sequence[Problem] = (),
        hooks: pluggy.HookRelay | None = None,
    ) -> None:
        self._offered = offered
        self.problems = tuple(problems)
        self.hooks = hooks

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that plugins can offer."""
        return tuple(self._offered)

    def names(self, kind: str) -> tuple[str, ...]:
        """Give the names of a kind, sorted."""
        return tuple(sorted(self._offered.get(kind, {})))

    def offers(self, kind: str) -> tuple[Offered, ...]:
        """Give what is offered of a kind, by name."""
        return tuple(self._offered[kind][name] for name in self.names(kind))

    def get(self, kind: str, name: str, where: str = "") -> Offered:
        """Give one offer; an unknown name is a GanbenchError that opens with `where`."""
        found = self._offered.get(kind, {}).get(name)
        if found is not None:
            return found
        error = unknown(KINDS[kind], name, self.names(kind), where)
        suspects = [problem for problem in self.problems if _may_offer(problem.entry_point, kind)]
        notes = "".join(f" ({problem}; see `ganbench doctor`.)" for problem in suspects)
        raise GanbenchError(f"{error}{notes}") from None

    def options(self, kind: str, name: str, given: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """Give the options that differ from their defaults, as canonical plain JSON data.

        A wrong one is a GanbenchError that lists the right ones.
        """
        offered = self.get(kind, name, where)
        return offered.options.plain(given, _place(offered, where))

    def build(
        self,
        kind: str,
        name: str,
        options: Mapping[str, Any] = NONE,
        scalar: Callable[[Any], Any] = lambda value: schedule(value)(0.0),
        where: str = "",
    ) -> Any:
        """Build an offer; `scalar` makes of a schedule what `build` receives, its value at the start by default.

        What goes wrong inside is a GanbenchError that names the offer and its provider.
        """
        offered = self.get(kind, name, where)
        values = offered.options.values(options, _place(offered, where))
        for option in offered.options.scalars & values.keys():
            if isinstance(values[option], Mapping):
                values[option] = scalar(values[option])
        try:
            return offered.offer.build(**values)
        except GanbenchError as error:
            raise GanbenchError(f"{_place(offered, where)}: {error}") from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise GanbenchError(f"{_place(offered, where)}: build of {offered.provider} failed: {reason}") from error

    def code(self, kind: str, name: str) -> str:
        """Give the SHA-256 of the sources behind an offer; see `ganbench.registry.code_hash`."""
        offered = self.get(kind, name)
        try:
            return code_hash.hash_code((offered.hook, offered.offer.build))
        except (SyntaxError, tokenize.TokenError, OSError) as error:
            raise GanbenchError(f"{offered} of {offered.provider}: cannot read its source: {error}.") from error


def load(files: Sequence[str | Path] = (), plugins: Sequence[object] = (), installed: bool = True) -> Registry:
    """Load every plugin: the `installed` entry points, `files` by path, and `plugins` as objects.

    A plugin object is a module, an instance or class with hooks, or one function marked with `hookimpl`. Raises
    GanbenchError for misspelt hooks, what is no offer, two offers of one name, and files that fail to import.
    """
    shelf = _Shelf()
    for entry_point in entry_points(group=GROUP) if installed else ():
        distribution = f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist else "?"
        try:
            shelf.add(entry_point.load(), distribution)
        except GanbenchError:
            raise
        except (Exception, SystemExit):
            shelf.problems.append(Problem(entry_point.name, distribution, traceback.format_exc()))
    for path in dict.fromkeys(Path(file).resolve() for file in files):
        shelf.add(_import_file(path), path.name)
    for plugin in plugins:
        if isroutine(plugin):
            shelf.add(SimpleNamespace(**{plugin.__name__: plugin}), f"{plugin.__module__}.{plugin.__qualname__}")
        else:
            instance = plugin() if isinstance(plugin, type) else plugin
            shelf.add(instance, getattr(instance, "__name__", type(instance).__qualname__))
    return Registry(shelf.offered, shelf.problems, shelf.manager.hook)


class _Shelf:
    """Where plugins are put one by one, and looked at as they come."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("ganbench")
        self.manager.add_hookspecs(hooks)
        self.offered: dict[str, dict[str, Offered]] = {kind: {} for kind in KINDS if PREFIX + kind in HOOKS}
        self.problems: list[Problem] = []

    def add(self, plugin: Any, provider: str) -> None:
        """Register a plugin and take its offers."""
        if self.manager.is_registered(plugin):
            return
        implemented = dict(self._hooks(plugin, provider))
        try:
            self.manager.register(plugin)
        except pluggy.PluginValidationError as error:
            reason = " ".join(str(error).split())
            raise GanbenchError(f"{provider}: {reason}. A hook that yields offers takes no arguments.") from error
        for kind in self.offered.keys() & {hook.removeprefix(PREFIX) for hook in implemented}:
            function = implemented[PREFIX + kind]
            for offer in _offers(function, provider):
                self._take(Offered(kind, offer, provider, str(code_hash.find_source_file(function) or ""), function))

    def _hooks(self, plugin: Any, provider: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Give a plugin's hooks; raise GanbenchError for one that nobody would ever call."""
        found = False
        for name in dir(plugin):
            function = getattr(plugin, name, None)
            marks = self.manager.parse_hookimpl_opts(plugin, name)
            hook = (marks and marks.get("specname")) or name
            if not isroutine(function) or not (marks or name.startswith(PREFIX)):
                continue
            if hook not in HOOKS:
                raise unknown("hook", hook, HOOKS, provider)
            if not marks:
                raise GanbenchError(f"{provider}: {name} is not marked as a hook. Put @hookimpl above it.")
            found = True
            yield hook, function
        if not found:
            raise GanbenchError(f"{provider}: no hook in {plugin!r}. Define one of: {', '.join(HOOKS)}.")

    def _take(self, new: Offered) -> None:
        """Put an offer on the shelf; raise GanbenchError where its name is taken."""
        old = self.offered[new.kind].setdefault(new.offer.name, new)
        if old is not new:
            both = " and ".join(f"{one.provider} ({one.origin or 'no file'})" for one in (old, new))
            raise GanbenchError(f"two offers of {new}: by {both}. Rename one, or leave one plugin out.")


def _offers(function: Callable[..., Any], provider: str) -> Iterator[Offer]:
    """Give what a hook yields; raise GanbenchError unless it is offers with sensible names."""
    hook = getattr(function, "__name__", str(function))
    try:
        result = function()
        found = result if isinstance(result, Offer) or not hasattr(result, "__iter__") else list(result)
    except Exception as error:
        raise GanbenchError(f"{provider}: {hook} failed: {type(error).__name__}: {error}") from error
    if not isinstance(found, list):
        raise GanbenchError(f"{provider}: {hook} gives {found!r}. It must yield its offers: yield Offer(...).")
    for offer in found:
        if not isinstance(offer, Offer):
            raise GanbenchError(
                f"{provider}: {hook} yields {offer!r}, which is no Offer. Yield Offer(name, build, ...)."
            )
        name = offer.name
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 100:
            raise GanbenchError(f"{provider}: {hook}: {name!r} is no name: up to 100 printable characters.")
        if not callable(offer.build):
            raise GanbenchError(f"{provider}: {hook}: build of {name!r} is {offer.build!r}. It must be callable.")
        yield offer


def _import_file(path: Path) -> ModuleType:
    """Import a plugin file under a name made from its path, so that `inspect` and `pickle` find it again."""
    if not path.is_file():
        raise GanbenchError(f"{path}: no such plugin file. Give the path of a Python file.")
    name = f"ganbench_file_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_loader(name, SourceFileLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else 0
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise GanbenchError(f"{path}:{line}: {type(error).__name__}: {reason}") from error
    return module


def _may_offer(entry_point: str, kind: str) -> bool:
    """Say whether an entry point may hold offers of a kind: its name opens with the kind, or with no kind at all."""
    first = entry_point.partition(".")[0]
    return first == kind or first not in KINDS


def _place(offered: Offered, where: str) -> str:
    return f"{where}: {offered}" if where else str(offered)
