"""Loading the plugins and planning a suite: those of third parties in a process of its own first.

A plugin may exit, crash or hang when it is imported or built. So where third parties' plugins are about to be loaded,
another process loads them and plans, and this process loads them only after that one has come to an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench import registry
from ganbench.registry.local_modules import find_module_file
from ganbench.registry.plugin_files import PluginFile, read_plugin_file
from ganbench.registry.registry import GROUP
from ganbench.runner.apart import Tell, iterate_apart
from ganbench.runner.isolation import importing, load_shared_state, restored
from ganbench.runner.settings import Settings
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.plan.plan import Plan
    from ganbench.plan.stages import Choices
    from ganbench.registry.registry import Registry

OnPlanning = Callable[[int, int], None]
"""A function that is called with how much is planned, and how much there is."""


def load_and_plan(
    suite: Suite, settings: Settings, on_planning: OnPlanning, choices: Choices | None = None
) -> tuple[Registry, Plan]:
    """Return the registry of this process, and the plan of the suite with these choices of configurations.

    With `jobs=0` and with offers defined in Python all of it happens here, where a debugger sees it.
    """
    files = read_files(settings)
    third_parties = list_third_parties(files)
    if settings.in_process or settings.offers or not third_parties:
        plugins = load(files, settings.offers)
        return plugins, make_plan(suite, plugins, on_planning, choices=choices)
    work = partial(plan_apart, suite, files, choices=choices)
    *_, plan = report(iterate_apart(work, third_parties, settings.timeout), on_planning)
    return load(files), plan


def load_plugins(settings: Settings) -> Registry:
    """Load the plugins of the settings in this process; raise as `load`."""
    return load(read_files(settings), settings.offers)


def read_files(settings: Settings) -> tuple[PluginFile, ...]:
    """Return the plugin files of the settings, as they are now."""
    return tuple(read_plugin_file(Path(file).resolve()) for file in settings.files)


def list_third_parties(files: tuple[PluginFile, ...]) -> list[str]:
    """Return the plugin files, and the files of installed plugins that are not our own; none is imported."""
    installed = (entry for entry in entry_points(group=GROUP) if entry.dist is None or entry.dist.name != GROUP)
    modules = map(find_module_file, dict.fromkeys(entry.module for entry in installed))
    return [*(file.path for file in files), *(str(module) for module in modules if module is not None)]


def load(files: tuple[PluginFile, ...], offers: tuple[object, ...] = ()) -> Registry:
    """Load the plugins; raise GanbenchError if one changes what all methods share."""
    with importing([file.path for file in files]):
        return registry.load(files=files, plugins=offers)


def make_plan(
    suite: Suite,
    plugins: Registry,
    on_planning: OnPlanning,
    tell: Callable[[str], None] = lambda doing: None,
    choices: Choices | None = None,
) -> Plan:
    """Plan the suite, and restore what plugins change meanwhile."""
    from ganbench import plan

    with restored(plugins):
        return plan.make(suite, plugins, on_planning, tell, choices)


def plan_apart(
    suite: Suite, files: tuple[PluginFile, ...], tell: Tell, choices: Choices | None = None
) -> Iterator[Any]:
    """Yield the plan of a suite; before it, how much is planned goes through `tell`."""
    load_shared_state()  # imports torch, which may take longer than a plugin may be silent
    tell(f"{suite.where}: loading the plugins")
    plugins = load(files)
    doing = f"{suite.where}: planning"
    tell(doing)
    yield make_plan(suite, plugins, lambda done, total: tell(doing, (done, total)), tell, choices)


def report(items: Iterator[Any], on_planning: OnPlanning) -> Iterator[Any]:
    """Yield the items of `plan_apart`, and report those that say how much is planned."""
    for item in items:
        if isinstance(item, tuple):
            on_planning(*item)
        yield item
