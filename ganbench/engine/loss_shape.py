"""The shape of a loss and of each of its terms: one number for each model."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ganbench.errors import GanbenchError, shorten


def require_number(value: Any, name: str, player: str) -> None:
    """Raise GanbenchError, with the name of the plugin, unless this is one number; a constant term is one too."""
    if isinstance(value, Tensor) and value.dim() == 0 and not value.is_complex():
        return
    if isinstance(value, int | float):
        return
    what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else shorten(value)
    raise GanbenchError(f"{name}: for the {player} it returned {what}: return one number, such as x.mean().")
