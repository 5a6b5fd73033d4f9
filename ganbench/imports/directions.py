"""The better direction of each metric: that of the installed metric of its name, or the one that was given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType

from ganbench.api.metrics import Direction
from ganbench.errors import GanbenchError, unknown_name


def find_directions(
    names: Collection[str],
    given: Mapping[Direction, Collection[str]],
    known: Mapping[str, Direction],
    where: str,
) -> dict[str, Direction]:
    """Return the direction of each of these metrics.

    `given` are the names by direction, as the options --higher, --lower and --neutral have them; `known` are the
    directions of metrics that are in the folder already. Other metrics have the direction of the installed metric of
    their name. Raise GanbenchError, which begins with `where`, for a name that is no metric of the file, one that has
    two directions, and one without any.
    """
    chosen: dict[str, Direction] = {}
    for direction, metrics in given.items():
        for name in metrics:
            if name not in names:
                raise unknown_name("metric", name, names, f"{where}: --{direction}")
            if chosen.setdefault(name, direction) != direction:
                raise GanbenchError(f"{where}: {name!r} is given as --{chosen[name]} and as --{direction}. Choose one.")
    installed: Mapping[str, Direction] = list_installed() if any(name not in known for name in names) else {}
    found: dict[str, Direction] = {}
    for name in names:
        sources = {"the folder": known.get(name), "the installed metric": installed.get(name)}
        for source, own in sources.items():
            if own is not None and chosen.setdefault(name, own) != own:
                raise GanbenchError(
                    f"{where}: {name!r} is given as --{chosen[name]}, but {source} has {own!r}. Leave the option "
                    "out, or give the metric of the file another name."
                )
        if name in chosen:
            found[name] = chosen[name]
    if missing := [name for name in names if name not in found]:
        options = " ".join(f"--lower {name}" for name in missing[:3])
        raise GanbenchError(
            f"{where}: which value of {', '.join(map(repr, missing[:10]))} is better? No installed metric has "
            f"{'these names' if len(missing) > 1 else 'this name'}. Give each a direction, as in {options} (or "
            "--higher or --neutral)."
        )
    return found


@cache
def list_installed() -> Mapping[str, Direction]:
    """Return the direction of every value of the installed metrics; of those that cannot be built, none."""
    from ganbench import registry
    from ganbench.registry.metric_values import read_directions

    plugins = registry.load()
    return MappingProxyType(
        {
            value: direction
            for name in plugins.names("metrics")
            for value, direction in read_directions(plugins, name).items()
        }
    )
