"""One call of a metric: it reads copies, and what it does besides measuring is noticed and refused."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from numbers import Complex, Real
from typing import Any, Protocol

import torch
from torch import Tensor

from ganbench.api.metrics import MOST_POINTS, Evidence, Metric, Moments, Profile
from ganbench.engine.global_random import read_global_random
from ganbench.errors import GanbenchError, shorten

BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The integers that have as many bytes as a number; equal ones are equal bits."""


class CopiedEvidence(Evidence, Protocol):
    """Evidence whose tensors are copies."""

    def drop_changed(self) -> Iterator[str]:
        """Yield what a metric has changed in place, by name, and show the original values from now on."""


class Copies:
    """Copies of tensors, for metrics to read: the originals stay as they are whatever a metric does.

    A tensor is copied when it is first shown, and shown as the same copy until a metric has written into that.
    """

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], tuple[Tensor, Tensor]] = {}

    def show(self, name: str, original: Tensor, owner: str = "") -> Tensor:
        """Return the copy of a tensor; `name` is what an error calls it. Tensors of one name have other owners."""
        if (owner, name) not in self._shown:
            self._shown[owner, name] = original, original.detach().clone()
        return self._shown[owner, name][1]

    def show_moments(self, name: str, original: Moments) -> Moments:
        """Return moments whose tensors are copies."""
        mean, covariance = (self.show(f"{name}.{part}", getattr(original, part)) for part in ("mean", "covariance"))
        return Moments(original.count, mean, covariance)

    def drop_changed(self) -> Iterator[str]:
        """Yield the names of the copies that are no longer equal to their originals, and forget these copies.

        Values are compared, not version counters: a write through `tensor.numpy()` raises no counter. 2,000 images of
        3 x 32 x 32 take 5 ms. A copy that a metric has made require gradients is forgotten too, but is not changed.
        """
        for (owner, name), (original, copy) in [*self._shown.items()]:
            changed = not same_bits(original.detach(), copy.detach())
            if changed or copy.requires_grad:
                del self._shown[owner, name]
            if changed:
                yield name


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Return whether two tensors are equal in shape, type and every bit; so NaN equals the same NaN."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    bits = BITS.get(first.element_size())
    return torch.equal(first, second) if bits is None else torch.equal(first.view(bits), second.view(bits))


def measure(metric: Metric, evidence: CopiedEvidence) -> Mapping[str, float | Profile]:
    """Return what a metric measures: a float for each value, and its profiles.

    Raise GanbenchError if it writes into its evidence, whose next reader sees nothing of it, if it draws from a global
    generator of random numbers, or if a value is no number.
    """
    drawn: list[str] = []
    for _ in range(2):  # its first call may import a library that draws
        before = read_global_random()
        try:
            values = metric.measure(evidence)
        finally:
            changed = [*evidence.drop_changed()]
        if changed:
            raise GanbenchError(
                f"it changes `{changed[0]}` in place: compute new tensors (`x = x.clamp(..)`, not `x.clamp_(..)`)."
            )
        drawn = [library for library, state in read_global_random().items() if state != before[library]]
        if not drawn:
            return to_floats(values, metric.profiles)
    raise GanbenchError(
        f"it draws random numbers from {drawn[0]}'s global generator: use a generator of its own with a fixed seed."
    )


def to_floats(values: Any, profiles: Container[str] = ()) -> dict[str, float | Profile]:
    """Return what a metric measured as floats, and the profiles of these names.

    Raise GanbenchError, with the name, for a value that is no number, or what is no profile. A tensor or an array of
    one number is a number, a text is not.
    """
    if not isinstance(values, Mapping):
        raise GanbenchError(f"`measure` returns {shorten(values)}: return a dictionary with a float for each value.")
    floats: dict[str, float | Profile] = {}
    for name, value in values.items():
        if name in profiles:
            floats[name] = check_profile(name, value)
            continue
        try:
            if isinstance(value, str | bytes) or (isinstance(value, Complex) and not isinstance(value, Real)):
                raise TypeError
            floats[name] = float(value)
        except Exception:
            raise GanbenchError(
                f"{name!r} is {shorten(value)}: return a float, such as float(tensor.mean())."
            ) from None
    return floats


def check_profile(name: str, value: Any) -> Profile:
    """Return a profile with plain floats; raise GanbenchError, with its name, for what is none."""
    if not isinstance(value, Profile):
        raise GanbenchError(f"{name!r} is {shorten(value)}: return a Profile, such as Profile(norms, x=layers).")
    try:
        numbers, x = (tuple(map(float, part)) for part in (value.values, value.x))
        y = None if value.y is None else tuple(map(float, value.y))
    except Exception:
        raise GanbenchError(f"{name!r} has parts that are no lists of numbers: {shorten(value)}.") from None
    if len(numbers) != len(x) or (y is not None and len(y) != len(x)):
        lengths = f"{len(numbers)} values at {len(x)} positions" + ("" if y is None else f" x and {len(y)} y")
        raise GanbenchError(f"{name!r} has {lengths}: give a position for each value.")
    if len(x) > MOST_POINTS:
        raise GanbenchError(f"{name!r} has {len(x)} points, more than {MOST_POINTS}. Measure fewer.")
    if not all(map(math.isfinite, (*x, *(y or ())))):
        raise GanbenchError(f"{name!r} has a position that is not finite: only its values may be NaN.")
    return Profile(numbers, x=x, y=y)
