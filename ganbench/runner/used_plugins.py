"""The plugins of third parties that a run used: stored with the run, and named where a later command lacks one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.api.offers import KINDS
from ganbench.api.trials import Batch
from ganbench.errors import GanbenchError, UnknownOffer
from ganbench.results.files import database_path, plugin_path, write_plugin
from ganbench.results.history import UsedPlugin, list_plugins
from ganbench.results.store import Store
from ganbench.suite.suite import Suite

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry


def keep_plugins(folder: Path, suite: Suite, batches: Sequence[Batch], plugins: Registry) -> list[dict[str, Any]]:
    """Write the text of every plugin file into the results folder; return the fact `plugins` of a run.

    The fact lists each plugin file, each other distribution and each Python object that offers what the suite uses: its
    `name`, its `offers` in use (as "losses/mine"), and `sha256` of a file or `version` of a distribution.
    """
    used = {(kind, name) for batch in batches for kind, name in list_used(batch)}
    used |= {("methods", name) for label in suite.declared_methods for name in (label, *list_starts(suite, label))}
    offers: dict[str, list[str]] = {}
    for offered in (offered for kind in plugins.kinds for offered in plugins.offers(kind)):
        if (offered.kind, offered.offer.name) in used and offered.is_foreign:
            offers.setdefault(offered.provider, []).append(f"{offered.kind}/{offered.offer.name}")
    facts: list[dict[str, Any]] = []
    for file in plugins.files:
        name = Path(file.path).name
        write_plugin(folder, name, file.content)
        facts.append({"name": name, "sha256": sha256(file.content).hexdigest(), "offers": offers.pop(name, [])})
    for provider, names in offers.items():
        name, _, version = provider.partition(" ")
        facts.append({"name": name, "offers": names} | ({"version": version} if version else {}))
    return facts


def list_used(batch: Batch) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) of every offer that the trials and the evaluation of a batch use."""
    for source in batch.trials[0].sources:
        kind, slash, name = source.partition("/")
        if slash:
            yield kind, name
    yield from (("metrics", part.name) for part in batch.measurement.metrics)
    if batch.measurement.extractor is not None:
        yield "extractors", batch.measurement.extractor.name


def list_starts(suite: Suite, label: str) -> Iterator[str]:
    """Yield the methods that a method of a suite starts from, one after the other."""
    table = suite.method_table(label)
    while table is not None and table.from_ is not None and table.from_ != table.name:
        yield table.from_
        table = suite.method_table(table.from_)


@contextmanager
def naming_plugins(folder: Path) -> Iterator[None]:
    """Add to the error for an unknown offer which plugin it came from, if a run of this results folder used it."""
    try:
        yield
    except GanbenchError as error:
        unknown = UnknownOffer.behind(error)
        if unknown is None:
            raise
        origin = find_origin(folder, unknown)
        raise UnknownOffer(f"{error}{origin and f' {origin}'}", unknown.kind, unknown.name) from error


def find_origin(folder: Path, error: UnknownOffer) -> str:
    """Return the sentence on the plugin from which the newest run with this offer took it, "" where none is known."""
    runs: Sequence[Any] = ()
    if database_path(folder).is_file():
        with suppress(GanbenchError), Store(folder, readonly=True) as store:
            runs = store.history()
    for run in reversed(runs):
        for plugin in list_plugins(run.facts):
            if f"{error.kind}/{error.name}" in plugin.offers:
                offer = f"{KINDS.get(error.kind, error.kind)} {error.name!r}"
                return f"A run in this folder used {plugin.title} for {offer}: {explain_loading(folder, plugin)}"
    return ""


def explain_loading(folder: Path, plugin: UsedPlugin) -> str:
    """Return how to load a plugin again."""
    if plugin.sha256:
        kept = plugin_path(folder, plugin.name, plugin.sha256)
        text = f" Its text is {kept}: read it before you load it." if kept.is_file() else ""
        return f"give it by --plugin.{text}"
    return "install it." if plugin.version else "a Python object, which is given by `offers`, in Python."
