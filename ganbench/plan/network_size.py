"""Networks that are too large are refused when they are planned, before their weights take any memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ganbench.api.data import Source
from ganbench.api.models import Ask, Space, Spec
from ganbench.errors import GanbenchError, shorten

if TYPE_CHECKING:
    from torch import nn

MOST_WEIGHTS = 10**9
"""Of both networks; with gradients and the moments of Adam, sixteen gigabytes. BigGAN has 1.6e8."""
MOST_TENSORS = 5_000
"""The largest number of weight tensors of both networks, which Python loops over at each step."""
MOST_UNITS = 10**7
"""The largest integer in a spec: a list of so many layers takes gigabytes before there is any weight."""
LARGEST_SPECS = 2
"""How many architectures of a sample are built to count their weights: those with the largest numbers."""


class TooLarge(Exception):
    """The reason why networks are too large; an exception to end their construction."""


def check_networks(space: Space, specs: Sequence[Spec], source: Source, place: str) -> None:
    """Raise GanbenchError, which begins with `place`, if networks of the sample are too large to train.

    Also raise it for networks that the space refuses to build for this data. Data that is none, and networks that fail
    to build, are left to the checks before training, which say why.
    """
    if not isinstance(source, Source):
        return
    by_size = sorted(specs, key=lambda spec: math.prod(list_sizes(spec)))
    for spec in [*by_size[:1], *by_size[1:][-LARGEST_SPECS:]]:  # the smallest may be too small for the data
        try:
            count_weights(space, spec, Ask(shape=source.shape, classes=source.classes, draw=source.draw))
        except TooLarge as reason:
            raise GanbenchError(f"{place}: the networks are too large: {reason}. Use smaller ones.") from None
        except GanbenchError as refusal:
            raise GanbenchError(f"{place}: {refusal}") from None


def list_sizes(spec: Spec) -> list[int]:
    """Return the positive integers of a spec: widths, depths and their like."""
    return [value for value in spec.values() if type(value) is int and value > 0]


def count_weights(space: Space, spec: Spec, ask: Ask) -> int:
    """Return the number of weights that an architecture has, as far as it can be built without memory for them.

    Raise TooLarge as soon as there are too many, and GanbenchError if the space refuses the request.
    """
    from torch.nn.modules.module import register_module_parameter_registration_hook

    if (size := max(list_sizes(spec), default=0)) > MOST_UNITS:
        name = next(key for key, value in spec.items() if value == size)
        raise TooLarge(f"{name} = {shorten(size)} is more than {MOST_UNITS:,}")
    weights = tensors = 0

    def add(module: nn.Module, name: str, weight: Any) -> None:
        nonlocal weights, tensors
        weights, tensors = weights + (weight.numel() if weight is not None else 0), tensors + 1
        if weights > MOST_WEIGHTS or tensors > MOST_TENSORS:
            raise TooLarge(f"they have more than {MOST_WEIGHTS:,} weights, or {MOST_TENSORS:,} tensors of weights")

    handle = register_module_parameter_registration_hook(add)
    try:
        with explain_memory(), without_memory():
            space.networks(spec, ask)
    except (TooLarge, GanbenchError):
        raise
    except (Exception, SystemExit):  # a third party's networks, or what cannot be built without memory
        pass
    finally:
        handle.remove()
    return weights


@contextmanager
def without_memory() -> Iterator[None]:
    """Put every new tensor on the meta device, whatever device is asked for: it has a shape but no memory.

    torch's initialisations leave it as it is: there they would change nothing, and take half of the time.
    """
    import torch
    from torch.nn import init
    from torch.overrides import TorchFunctionMode

    drawing = {torch.Tensor.uniform_, torch.Tensor.normal_}

    class WithoutMemory(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            options = kwargs or {}
            filled = args[0] if args else options.get("tensor")
            draws = function in drawing or getattr(function, "__module__", "") == init.__name__
            if draws and isinstance(filled, torch.Tensor) and filled.is_meta:
                return filled
            return function(*args, **(options | {"device": "meta"} if "device" in options else options))

    with torch.random.fork_rng(devices=[]), torch.device("meta"), WithoutMemory():
        yield


@contextmanager
def explain_memory() -> Iterator[None]:
    """Turn an error for want of memory, or for a size that no tensor has, into TooLarge."""
    try:
        yield
    except MemoryError:
        raise TooLarge("this machine has not enough memory for them") from None
    except (RuntimeError, OverflowError, TypeError) as error:
        if any(word in str(error).lower() for word in ("allocate", "overflow", "out of memory", "too large")):
            raise TooLarge(str(error).splitlines()[0]) from None
        raise
