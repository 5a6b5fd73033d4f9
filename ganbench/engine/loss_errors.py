"""What is said of losses that cannot train, in place of torch's or Python's own words."""

from __future__ import annotations

import traceback
from pathlib import Path

from torch import Tensor

from ganbench.errors import GanbenchError


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


def explain_missing_gradient(player: str, loss: str, value: Tensor) -> GanbenchError:
    """Return the error for a player's loss that autograd cannot differentiate: a constant, or a complex number."""
    if value.is_complex():
        return GanbenchError(
            f"{loss}: the {player}'s loss is a complex number: return a real one, such as `loss.real`."
        )
    return GanbenchError(
        f"{loss}: the {player}'s loss has no gradient, so the {player} cannot train: it does not follow the critic's "
        "scores. Compute it from them by operations of torch, without `detach`, `item`, `float` or `no_grad`."
    )
