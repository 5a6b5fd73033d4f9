"""The architectures of a plan: distinct specs, drawn from a space."""

from __future__ import annotations

import random
from collections.abc import Mapping

from ganbench.api.models import Space, Spec
from ganbench.api.trials import canonical_json
from ganbench.errors import GanbenchError, shorten
from ganbench.registry.exits import blaming

FRUITLESS_DRAWS = 10_000
"""A space counts as exhausted after this many draws in a row without a new spec."""


def sample(space: Space, count: int, seed: int, place: str) -> list[Spec]:
    """Draw distinct specs; the first n of a larger sample are the sample of n.

    Raise GanbenchError, which begins with `place`, if the space has fewer, and for what its `sample` raises.
    """
    rng, specs, fruitless = random.Random(seed), dict[str, Spec](), 0
    while len(specs) < count:
        if fruitless >= FRUITLESS_DRAWS or (space.size is not None and len(specs) >= space.size):
            raise GanbenchError(
                f"{place}: sample = {count} is more than this space has. Write sample = {len(specs)}, or less."
            )
        before = len(specs)
        with blaming(place, "`sample`"):
            spec = space.sample(rng)
            specs.setdefault(spell_spec(spec), spec)
        fruitless = 0 if len(specs) > before else fruitless + 1
    return list(specs.values())


def spell_spec(spec: Spec) -> str:
    """Return a spec as JSON, by which specs are told apart; raise GanbenchError for one that is not plain data."""
    try:
        if isinstance(spec, Mapping):
            return canonical_json(spec)
    except (TypeError, ValueError, RecursionError):
        pass
    raise GanbenchError(f"it returns {shorten(spec)}: return plain data, such as {{'width': 64, 'norm': 'batch'}}.")
