"""What an installed metric measures: the names of its values, and which direction of each is better."""

from __future__ import annotations

from collections.abc import Mapping

from ganbench.api.metrics import Direction
from ganbench.errors import GanbenchError
from ganbench.registry.registry import Registry


def read_directions(plugins: Registry, metric: str) -> Mapping[str, Direction]:
    """Return the better direction of each value of a metric.

    Nothing is returned for a metric that cannot be built with its defaults: a library of it is not installed, or an
    option has no default.
    """
    try:
        directions: Mapping[str, Direction] = plugins.build("metrics", metric).values
    except GanbenchError:
        return {}
    return directions
