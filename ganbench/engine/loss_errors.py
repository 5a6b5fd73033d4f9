"""What is said of losses that cannot train, in place of torch's or Python's own words."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from torch import Tensor

from ganbench.errors import GanbenchError, shorten


def refuse_unpaired(error: TypeError | AttributeError, caller: str) -> None:
    """Raise GanbenchError if this error of a generator's loss comes from a use of its `real`, which is None.

    `caller` is the file that called the loss.
    """
    frames = traceback.extract_tb(error.__traceback__)
    in_plugin = [frame for frame in frames if frame.filename != caller]
    if "NoneType" not in str(error) or error.__cause__ is not None or frames[-1].filename == caller:
        return
    place = f"{Path(in_plugin[0].filename).name}, line {in_plugin[0].lineno}"
    raise GanbenchError(
        f"the loss reads `real` in generator(real, fake), where it is None ({place}: {error}). Set paired=True in its "
        "Objective, so that the generator's loss receives the real scores, or do not use them."
    ) from error


def require_number(value: Any, name: str, player: str) -> None:
    """Raise GanbenchError, with the name of the plugin, unless a loss or a term is one number for each model.

    A constant is a number too.
    """
    if isinstance(value, int | float) or (isinstance(value, Tensor) and value.dim() == 0 and not value.is_complex()):
        return
    if isinstance(value, Tensor) and value.is_complex():
        raise GanbenchError(f"{name}: the {player}'s loss is a complex number: return a real one, such as `loss.real`.")
    what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else shorten(value)
    raise GanbenchError(f"{name}: for the {player} it returned {what}: return one number, such as x.mean().")


def explain_missing_gradient(player: str, loss: str) -> GanbenchError:
    """Return the error for a player's loss that autograd cannot differentiate, since it is a constant."""
    return GanbenchError(
        f"{loss}: the {player}'s loss has no gradient, so the {player} cannot train: it does not follow the critic's "
        "scores. Compute it from them by operations of torch, without `detach`, `item`, `float` or `no_grad`."
    )
