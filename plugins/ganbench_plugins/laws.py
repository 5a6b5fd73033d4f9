"""Laws of data and of generators that are known in closed form.

Arjovsky, Chintala, Bottou 2017, "Wasserstein GAN", arXiv:1701.07875, example 1, has the parallel lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ganbench import GanbenchError


def refuse_negative(**sizes: float) -> None:
    """Raise GanbenchError if one of these sizes is below 0 or NaN."""
    for name, size in sizes.items():
        if not size >= 0:
            raise GanbenchError(f"{name} = {size}: give a number of 0 or more.")


@dataclass(frozen=True)
class Normal:
    """N(mean, std^2) on the line; with std 0, the point mass at its mean."""

    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self) -> None:
        refuse_negative(std=self.std)


@dataclass(frozen=True)
class Line:
    """The points (theta, u), u uniform between `low` and `high`, plus N(0, noise^2) on both axes.

    With equal noise, two lines over the same segment differ in their first axis alone, so their divergences are those
    of N(theta, noise^2): the second axis is independent of it and has one law.
    """

    theta: float = 0.0
    low: float = 0.0
    high: float = 1.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        refuse_negative(noise=self.noise, length=self.high - self.low)


@dataclass(frozen=True)
class Circle:
    """The uniform law on a circle, plus N(0, noise^2) on both axes.

    The distance from the centre of a noisy one has the law of Rice, and all directions are equally likely. So the
    divergences of two circles about one centre are those of their radii.
    """

    radius: float = 1.0
    centre: tuple[float, float] = (0.0, 0.0)
    noise: float = 0.0

    def __post_init__(self) -> None:
        refuse_negative(radius=self.radius, noise=self.noise)


@dataclass(frozen=True)
class Discrete:
    """The law with these probabilities on K atoms: at `positions` on the line, or, without them, at one-hot vectors."""

    probabilities: tuple[float, ...]
    positions: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        total = math.fsum(self.probabilities)
        if not abs(total - 1) < 1e-6 or min(self.probabilities) < 0:
            raise GanbenchError(
                f"probabilities = {[*self.probabilities]}: their sum is {total:g}. Give numbers of 0 or more whose "
                "sum is 1."
            )
        if self.positions is not None and len(self.positions) != len(self.probabilities):
            raise GanbenchError(
                f"{len(self.positions)} positions for {len(self.probabilities)} probabilities: give one for each."
            )


Law = Normal | Line | Circle | Discrete
KINDS: Mapping[str, Callable[..., Law]] = {"normal": Normal, "line": Line, "circle": Circle, "discrete": Discrete}


def read_law(fact: Any) -> Law:
    """Return a law from a dataset's fact: a law, or its fields as plain data, {"kind": "normal", "mean": 0.0}.

    Raise GanbenchError for anything else.
    """
    if isinstance(fact, Law):
        return fact
    try:
        return KINDS[fact["kind"]](**{name: value for name, value in fact.items() if name != "kind"})
    except (TypeError, KeyError, AttributeError):
        raise GanbenchError(
            f"the fact 'law' is {fact!r:.100}: give a dictionary with the kind, one of {', '.join(KINDS)}, and its "
            "fields."
        ) from None


def add_noise(law: Law, sigma: float) -> Law:
    """Return the law of x + sigma N(0, I). Raise GanbenchError for a discrete law, whose noised form is not known."""
    if not sigma:
        return law
    if isinstance(law, Discrete):
        raise GanbenchError(f"noise = {sigma:g} on a discrete law: its divergences are not known. Use noise = 0.")
    if isinstance(law, Normal):
        return replace(law, std=math.hypot(law.std, sigma))
    return replace(law, noise=math.hypot(law.noise, sigma))
