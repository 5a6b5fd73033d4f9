"""The fingerprint of a trial: a hash of the code and of the data that it is trained with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ganbench.api.offers import KINDS
from ganbench.api.trials import Part, Recipe, digest, list_offers
from ganbench.engine.numerics import ENGINE_NUMERICS

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

NUMERICS, DATA = "numerics", "data"
"""The names, in the sources of a trial, of the version of the engine's numerics and of the content of the data."""


def list_sources(
    recipe: Recipe, architecture: Part, dataset: Part, plugins: Registry, data: str = ""
) -> dict[str, str]:
    """Return what a trial is trained with, each by its hash: the code of every offer, the numerics, and the data.

    The names are "losses/hinge" and so on, "numerics" and "data". `data` is the digest of the data's content
    (`engine.data_digest`), "" for a distribution, whose samples follow from its code and its options.
    """
    offers = sorted({*list_offers(recipe, architecture), ("datasets", dataset.name)})
    sources = {f"{kind}/{name}": plugins.code(kind, name) for kind, name in offers}
    return {NUMERICS: str(ENGINE_NUMERICS), **sources} | ({DATA: data} if data else {})


def hash_sources(sources: Mapping[str, str]) -> str:
    """Return the fingerprint, `Trial.code`: the hash of all sources."""
    offers = [[*name.split("/", 1), code] for name, code in sources.items() if name not in (NUMERICS, DATA)]
    data = [[DATA, sources[DATA]]] if DATA in sources else []
    return digest([int(sources[NUMERICS]), offers + data])


def describe_changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield, in words, the sources that differ between two trainings of the same trial."""
    names = sorted(before.keys() | now.keys())
    yield from (describe_source(name) for name in names if before.get(name) != now.get(name))


def describe_source(name: str) -> str:
    """Return a source in words, as in "the code of loss 'hinge'" for "losses/hinge"."""
    kind, _, offer = name.partition("/")
    whole = {NUMERICS: "the engine's numerics", DATA: "the content of the data"}
    return whole.get(name) or f"the code of {KINDS.get(kind, kind)} {offer!r}"


def changes_since(detail: Mapping[str, Any], now: Mapping[str, str], kinds: Collection[str] = ()) -> list[str]:
    """Return, in words, what has changed since a trial was recorded; `detail` is `Store.detail` of the trial.

    `now` are the trial's sources in this process, `kinds` those that matter (default: all), such as "architectures". A
    record of an earlier version has only the hash of all of its sources.
    """
    if now and hash_sources(now) == detail["code"]:
        return []
    stored = detail["facts"].get("sources")
    try:
        known = hash_sources(stored) == detail["code"]
    except (TypeError, KeyError, ValueError, AttributeError):  # no sources, or altered ones
        known = False
    if not known:
        return ["the code of a component that the trial uses, or of the engine's numerics"]

    def select(sources: Mapping[str, str]) -> dict[str, str]:
        return {name: code for name, code in sources.items() if not kinds or name.partition("/")[0] in kinds}

    return list(describe_changes(select(stored), select(now)))
