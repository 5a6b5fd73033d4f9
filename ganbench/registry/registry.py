"""The registry of all offers: from entry points, from plugin files, and from objects such as those of a notebook."""

from __future__ import annotations

import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from inspect import Parameter, isroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy

from ganbench.api import hooks
from ganbench.api.offers import KINDS, NONE, Offer
from ganbench.api.schedules import parse_scalar, to_plain
from ganbench.api.version import WrongApi, read_api
from ganbench.deprecation import warn_of_fields
from ganbench.errors import GanbenchError, UnknownOffer, unknown_name
from ganbench.registry import code_hash
from ganbench.registry.exits import blaming
from ganbench.registry.local_modules import read_imported
from ganbench.registry.options import Options
from ganbench.registry.plugin_files import PluginFile, import_plugin_file, read_plugin_file
from ganbench.registry.problems import Problem, make_problem
from ganbench.registry.source_text import find_source_file
from ganbench.registry.validation import is_name, refuse_other_type, refuse_wrong_fields

GROUP = "ganbench"
PREFIX = "ganbench_"
HOOKS = tuple(sorted(name for name in vars(hooks) if name.startswith(PREFIX)))


@dataclass(frozen=True)
class Offered:
    """An offer, its provider ("ganbench 0.1.0", "mine.py"), and the file that defines it ("" for a notebook).

    `in_memory` is whether its plugin was given as a Python object: then the values that it holds are part of its code.
    `api` is the plugin API that its plugin declares, None if it declares none.
    """

    kind: str
    offer: Offer
    provider: str
    origin: str
    hook: Callable[..., Any] = field(repr=False)
    in_memory: bool = False
    api: int | None = None

    def __str__(self) -> str:
        return f"{KINDS[self.kind]} {self.offer.name!r}"

    @property
    def is_foreign(self) -> bool:
        """Whether it is not of ganbench itself, whose own tests ask every rule of its offers."""
        return self.provider.partition(" ")[0] != GROUP

    @cached_property
    def options(self) -> Options:
        """The options of the offer, for checking those of a suite."""
        return Options(self.offer.build, f"{self} of {self.provider}")


class Registry:
    """All offers by kind and name.

    `hooks` are pluggy's hooks; `problems` are the plugins that failed to import; `files` are the plugin files, as they
    were read.
    """

    def __init__(
        self,
        offered: Mapping[str, Mapping[str, Offered]],
        problems: Sequence[Problem] = (),
        hooks: pluggy.HookRelay | None = None,
        files: tuple[PluginFile, ...] = (),
    ) -> None:
        self._offered = offered
        self.problems = tuple(problems)
        self.hooks = hooks
        self.files = files
        self._codes: dict[tuple[str, str], str] = {}
        self._texts: Mapping[str, str] = NONE

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of offers that plugins can provide."""
        return tuple(self._offered)

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of the offers of a kind, sorted."""
        return tuple(sorted(self._offered.get(kind, {})))

    def offers(self, kind: str) -> tuple[Offered, ...]:
        """Return the offers of a kind, sorted by name."""
        return tuple(self._offered[kind][name] for name in self.names(kind))

    def get(self, kind: str, name: str, where: str = "") -> Offered:
        """Return one offer; raise UnknownOffer, with a message that begins with `where`, for an unknown name."""
        offered = self._offered.get(kind, {}).get(name)
        if offered is not None:
            return offered
        error = unknown_name(KINDS[kind], name, self.names(kind), where)
        problems = [problem for problem in self.problems if _may_offer(problem.entry_point, kind)]
        notes = "".join(f" ({problem}; see `ganbench doctor`.)" for problem in problems)
        raise UnknownOffer(f"{error}{notes}", kind, name)

    def options(self, kind: str, name: str, options: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """Return the options that differ from their defaults, as canonical plain JSON data.

        Raise GanbenchError, with a list of the offer's options, for a wrong option.
        """
        offered = self.get(kind, name, where)
        return offered.options.normalise(options, _format_place(offered, where))

    def scalar_defaults(self, kind: str, name: str) -> dict[str, Any]:
        """Return the options of an offer that are annotated Scalar, each with its default; None if it has none."""
        options = self.get(kind, name).options
        defaults = {option: options.parameters[option].default for option in sorted(options.scalars)}
        return {option: None if value is Parameter.empty else to_plain(value) for option, value in defaults.items()}

    def build(
        self,
        kind: str,
        name: str,
        options: Mapping[str, Any] = NONE,
        scalar: Callable[[Any], Any] = lambda table: parse_scalar(table)(0.0),
        where: str = "",
        made: Mapping[str, Any] = NONE,
    ) -> Any:
        """Build the component of an offer.

        `scalar` turns the table of a schedule into the value that `build` receives: by default, its value at the start.
        `made` are values of options annotated Scalar that replace those in `options`, as `build` receives them. Raise
        GanbenchError, which names the offer and its provider, if the build fails.
        """
        offered = self.get(kind, name, where)
        values = offered.options.parse(options, _format_place(offered, where))
        for option in offered.options.scalars & values.keys() - made.keys():
            if isinstance(values[option], Mapping):
                values[option] = scalar(values[option])
        values |= made
        with blaming(_format_place(offered, where), f"build of {offered.provider}"):
            built = offered.offer.build(**values)
            refuse_other_type(kind, built)
        warn_of_fields(built, f"{offered} of {offered.provider}")
        return built

    def keep_texts(self) -> None:
        """Read the files of all plugins now, for the hashes of their code: later they may not be what is in memory."""
        hooks = (offered.hook for kind in self.kinds for offered in self.offers(kind))
        self._texts = read_imported({hook.__module__.partition(".")[0] for hook in hooks})

    def code(self, kind: str, name: str) -> str:
        """Return the SHA-256 of the code behind an offer, as `ganbench.registry.code_hash` defines it.

        It is computed once for each registry: a later edit of a file does not change what is in memory. Raise
        GanbenchError where the sources cannot be read, or hold a value that cannot be hashed.
        """
        offered = self.get(kind, name)
        if (kind, name) not in self._codes:
            try:
                roots = (offered.hook, offered.offer.build)
                code = code_hash.hash_code(roots, in_memory=offered.in_memory, read=self._texts)
            except GanbenchError as error:
                raise GanbenchError(f"{offered} of {offered.provider}: {error}") from error
            except (SyntaxError, tokenize.TokenError, OSError) as error:
                raise GanbenchError(f"{offered} of {offered.provider}: cannot read its source: {error}.") from error
            self._codes[kind, name] = code
        return self._codes[kind, name]


def load(
    files: Sequence[str | Path | PluginFile] = (), plugins: Sequence[object] = (), installed: bool = True
) -> Registry:
    """Load every plugin: the `installed` entry points, `files` by path or as they were read, and `plugins` as objects.

    A plugin object is a module, an instance or class with hooks, or a function marked with `hookimpl`. Raise
    GanbenchError for a misspelt hook, a value that is not an offer, two offers with the same name, and a file that
    fails to import, or that was written for another API (`api.version`). An installed plugin of which one of these two
    is true becomes a `Problem` of the registry.
    """
    collection = _Collection()
    for entry_point in entry_points(group=GROUP) if installed else ():
        distribution = f"{entry_point.dist.name} {entry_point.dist.version}" if entry_point.dist else "?"
        try:
            collection.add(entry_point.load(), distribution)
        except BaseException as error:
            if isinstance(error, GanbenchError | KeyboardInterrupt) and not isinstance(error, WrongApi):
                raise
            collection.problems.append(make_problem(entry_point, distribution, error))
    read = [file if isinstance(file, PluginFile) else read_plugin_file(Path(file).resolve()) for file in files]
    plugin_files = tuple({file.path: file for file in read}.values())
    for file in plugin_files:
        collection.add(import_plugin_file(file), Path(file.path).name)
    for plugin in plugins:
        if isroutine(plugin):
            name = f"{plugin.__module__}.{plugin.__qualname__}"
            collection.add(SimpleNamespace(**{plugin.__name__: plugin}), name, in_memory=True)
        else:
            with blaming("offers", f"{plugin!r}"):
                instance = plugin() if isinstance(plugin, type) else plugin
            collection.add(instance, getattr(instance, "__name__", type(instance).__qualname__), in_memory=True)
    return Registry(collection.offered, collection.problems, collection.manager.hook, plugin_files)


class _Collection:
    """The offers and problems of the plugins that were added so far; each plugin is checked when it is added."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("ganbench")
        self.manager.add_hookspecs(hooks)
        self.offered: dict[str, dict[str, Offered]] = {kind: {} for kind in KINDS if PREFIX + kind in HOOKS}
        self.problems: list[Problem] = []

    def add(self, plugin: Any, provider: str, in_memory: bool = False) -> None:
        """Register a plugin and add its offers."""
        if self.manager.is_registered(plugin):
            return
        api = read_api(plugin, provider)
        implemented = dict(self._find_hooks(plugin, provider))
        try:
            self.manager.register(plugin)
        except pluggy.PluginValidationError as error:
            reason = " ".join(str(error).split())
            raise GanbenchError(f"{provider}: {reason}. Hooks take no arguments.") from error
        for kind in self.offered.keys() & {hook.removeprefix(PREFIX) for hook in implemented}:
            function = implemented[PREFIX + kind]
            for offer in _collect_offers(function, provider):
                origin = str(find_source_file(function) or "")
                self._add_offer(Offered(kind, offer, provider, origin, function, in_memory, api))

    def _find_hooks(self, plugin: Any, provider: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """Yield a plugin's hooks; raise GanbenchError for a hook that would never be called."""
        has_hook = False
        for name in dir(plugin):
            function = getattr(plugin, name, None)
            marks = self.manager.parse_hookimpl_opts(plugin, name)
            hook = (marks and marks.get("specname")) or name
            if not isroutine(function) or not (marks or name.startswith(PREFIX)):
                continue
            if hook not in HOOKS:
                raise unknown_name("hook", hook, HOOKS, provider)
            if not marks:
                raise GanbenchError(f"{provider}: {name} is not marked as a hook. Put @hookimpl above it.")
            has_hook = True
            yield hook, function
        if not has_hook:
            raise GanbenchError(f"{provider}: no hook in {plugin!r}. Define one of: {', '.join(HOOKS)}.")

    def _add_offer(self, new: Offered) -> None:
        """Add an offer; raise GanbenchError if its kind already has an offer of this name."""
        old = self.offered[new.kind].setdefault(new.offer.name, new)
        if old is not new:
            both = " and ".join(f"{offered.provider} ({offered.origin or 'no file'})" for offered in (old, new))
            raise GanbenchError(f"{new} is provided twice: by {both}. Rename one, or leave one plugin out.")


def _collect_offers(function: Callable[..., Any], provider: str) -> Iterator[Offer]:
    """Yield the offers of a hook; raise GanbenchError for anything else, and for a name that is not allowed."""
    hook = getattr(function, "__name__", str(function))
    with blaming(provider, hook):
        result = function()
        offers = result if isinstance(result, Offer) or not hasattr(result, "__iter__") else list(result)
    if not isinstance(offers, list):
        raise GanbenchError(f"{provider}: {hook} returns {offers!r}. It must yield its offers: yield Offer(...).")
    for offer in offers:
        if not isinstance(offer, Offer):
            raise GanbenchError(
                f"{provider}: {hook} yields {offer!r}, which is not an Offer. Yield Offer(name, build, ...)."
            )
        if not is_name(offer.name):
            raise GanbenchError(f"{provider}: {hook}: {offer.name!r} is not a name: use 1 to 100 printable characters.")
        with blaming(f"{provider}: {hook}: {offer.name!r}", "its check"):
            refuse_wrong_fields(offer)
        warn_of_fields(offer, f"{provider}: {hook}: {offer.name!r}")
        yield offer


def _may_offer(entry_point: str, kind: str) -> bool:
    """Return whether an entry point may provide offers of a kind: its name begins with this kind, or with no kind."""
    first = entry_point.partition(".")[0]
    return first == kind or first not in KINDS


def _format_place(offered: Offered, where: str) -> str:
    return f"{where}: {offered}" if where else str(offered)
