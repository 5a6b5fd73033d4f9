"""Save a training as tensors by name and plain numbers, and restore it.

A restored training ends in the same bits as one that was not interrupted. What follows from the batch is not saved but
built again: buffers, schedules and random numbers (a block is drawn again from its number). Steps are recorded again; a
recorded step gives the same bits as its function.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganbench.engine.ensemble import Stacked
from ganbench.engine.optimizer_state import restore_optimizer, save_optimizer
from ganbench.engine.signals import stack_trace
from ganbench.engine.snapshot import Numbers
from ganbench.engine.stages import Stage
from ganbench.engine.train import Training


def save_state(training: Training) -> tuple[Stacked, Numbers]:
    """Return a training's state after a generator step, with all tensors on the CPU.

    Raise TypeError for an optimizer whose state has anything except tensors and numbers.
    """
    stage = training.stage
    assert stage is not None
    game, series = stage.game, stack_trace(training.trace)
    tensors = dict(iterate_state(training, stage)) | {
        f"losses/{player}": value for player, value in game.losses.items()
    }
    tensors |= {f"parts/{name}": value for name, value in game.parts.items()}
    tensors |= {f"trace/{name}": values for name, values in series.items()}
    optimizers = {}
    for player, optimizer in game.optimizers.items():
        optimizers[player], optimizer_tensors = save_optimizer(optimizer)
        tensors |= {f"optimizers/{player}/{name}": tensor for name, tensor in optimizer_tensors.items()}
    numbers = {  # the keys, and the names of the tensors, are a stored format: runner.checkpoints.FORMAT
        "stage": stage.number,
        "done": stage.done,
        "stopped_at": training.stopped_at,
        "taken": game.updates,
        "flops": game.flops,
        "drawn": {player: inputs.steps_drawn for player, inputs in stage.inputs.items()},
        "parts": list(game.parts),
        "trace": [step for step, _ in training.trace],
        "signals": list(series),
        "optimizers": optimizers,
    }
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, numbers


@torch.no_grad()
def restore_state(training: Training, tensors: Stacked, numbers: Numbers) -> None:
    """Set a training that has not begun to a saved state.

    Raise KeyError, ValueError, TypeError or IndexError if the state does not belong to this training. The training is
    then partly restored: do not use it.
    """
    stage = training.begin_stage(numbers["stage"])
    if not stage.steps.start <= numbers["done"] <= stage.steps.stop:
        raise ValueError(
            f"generator step {numbers['done']} is not in stage {stage.number}, which goes from step "
            f"{stage.steps.start} to step {stage.steps.stop}"
        )
    stage.done, game = numbers["done"], stage.game
    training.stopped_at = numbers["stopped_at"]
    for name, tensor in iterate_state(training, stage):
        tensor.copy_(require_tensor(tensors, name, tensor))
    game.updates, game.flops = dict(numbers["taken"]), numbers["flops"]
    game.losses = {player: tensors[f"losses/{player}"].to(training.device) for player in game.losses}
    game.parts = {name: tensors[f"parts/{name}"].to(training.device) for name in numbers["parts"]}
    for player, inputs in stage.inputs.items():
        inputs.steps_drawn = numbers["drawn"][player]
    series = {name: tensors[f"trace/{name}"].to(training.device) for name in numbers["signals"]}
    training.trace = [
        (step, {name: values[i] for name, values in series.items()}) for i, step in enumerate(numbers["trace"])
    ]
    for player, optimizer in game.optimizers.items():
        prefix = f"optimizers/{player}/"
        optimizer_tensors = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        restore_optimizer(optimizer, numbers["optimizers"][player], optimizer_tensors)


def iterate_state(training: Training, stage: Stage) -> Iterator[tuple[str, Tensor]]:
    """Yield, with a name, each tensor that exists from the beginning of a training and is updated in place."""
    for player, parameters in stage.game.ensemble.detached.items():
        yield from ((f"parameters/{player}/{name}", tensor) for name, tensor in parameters.items())
    for plugin, state in stage.game.state.items():
        yield from ((f"memory/{plugin}/{name}", tensor) for name, tensor in state.items())
    yield from training.averages.iterate()
    yield "clock", stage.game.total_updates
    yield "diverged_at", stage.game.diverged_at


def require_tensor(tensors: Stacked, name: str, like: Tensor) -> Tensor:
    """Return the saved tensor of this name.

    Raise KeyError if there is none, and ValueError if its shape or type differs from that of `like`.
    """
    tensor = tensors[name]
    if tensor.shape != like.shape or tensor.dtype != like.dtype:
        raise ValueError(
            f"{name}: the saved tensor is {list(tensor.shape)} {tensor.dtype}, the training's tensor is "
            f"{list(like.shape)} {like.dtype}"
        )
    return tensor
