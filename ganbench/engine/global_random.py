"""The global random generators, from which no plugin may draw: torch's, CUDA's, Python's and NumPy's."""

from __future__ import annotations

import random
from typing import Any

import numpy
import torch

from ganbench.errors import GanbenchError


def read_global_random(device: torch.device | None = None) -> dict[str, Any]:
    """Return the state of each global generator, by the name of its library.

    With a CUDA `device` its generator is one of them; to read its state does not wait for the device.
    """
    numpy_state: Any = numpy.random.get_state()
    states = {
        "torch": torch.random.get_rng_state().numpy().tobytes(),
        "Python": random.getstate(),
        "NumPy": (numpy_state[1].tobytes(), *numpy_state[2:]),
    }
    if device is not None and device.type == "cuda":
        states["torch on CUDA"] = torch.cuda.get_rng_state(device).numpy().tobytes()
    return states


class GlobalRandomGuard:
    """A block in which no plugin may draw from a global random generator.

    `vmap` refuses torch's by itself, and no other. To read all states twice takes some 0.1 ms.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def __enter__(self) -> None:
        self.states = read_global_random(self.device)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Raise GanbenchError if a state has changed, also where that made the block raise one."""
        after = read_global_random(self.device) if kind is None or issubclass(kind, GanbenchError) else self.states
        for library, state in self.states.items():
            if state != after[library]:
                raise GanbenchError(
                    f"training: a plugin draws from the global generator of {library}, so its results cannot be "
                    "repeated. Declare the numbers as `draws={...: Draw(...)}` and read them from `play.draws`."
                ) from None
