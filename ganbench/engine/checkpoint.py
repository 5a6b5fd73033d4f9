"""A training as tensors by name and plain numbers, and back: gone on with, it ends in the bits of an undisturbed one.

What follows from the batch is built again and not kept: buffers, schedules, and all chance (a block is drawn again from
its number). Tapes are recorded again, and a tape gives the bits of its function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganbench.engine.ensemble import Stacked
from ganbench.engine.snapshot import Numbers
from ganbench.engine.train import Stage, Training


def save_state(training: Training) -> tuple[Stacked, Numbers]:
    """Give a training's state at a snapshot, all tensors on the CPU.

    Raises TypeError for an optimizer that remembers anything but tensors and numbers.
    """
    stage = training.now
    assert stage is not None
    game, names = stage.game, list(training.trace[0][1]) if training.trace else []
    tensors = dict(held_tensors(training, stage)) | {f"losses/{player}": value for player, value in game.losses.items()}
    tensors |= {f"trace/{name}": torch.stack([values[name] for _, values in training.trace]) for name in names}
    optimizers = {}
    for player, optimizer in game.optimizers.items():
        optimizers[player], own = save_optimizer(optimizer)
        tensors |= {f"optimizers/{player}/{name}": tensor for name, tensor in own.items()}
    numbers = {
        "stage": stage.number,
        "done": stage.done,
        "taken": game.taken,
        "flops": game.flops,
        "drawn": {player: chance.taken for player, chance in stage.chances.items()},
        "trace": [step for step, _ in training.trace],
        "signals": names,
        "optimizers": optimizers,
    }
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, numbers


@torch.no_grad()
def restore_state(training: Training, tensors: Stacked, numbers: Numbers) -> None:
    """Set a training that has not begun to a kept state.

    Raises KeyError, ValueError, TypeError or IndexError for a state that is not this training's; what is half restored
    then is of no use.
    """
    stage = training.begin_stage(numbers["stage"])
    if not stage.steps.start <= numbers["done"] <= stage.steps.stop:
        raise ValueError(f"step {numbers['done']} is not in stage {stage.number}")
    stage.done, game = numbers["done"], stage.game
    for name, own in held_tensors(training, stage):
        own.copy_(matching_tensor(tensors, name, own))
    game.taken, game.flops = dict(numbers["taken"]), numbers["flops"]
    game.losses = {player: tensors[f"losses/{player}"].to(training.device) for player in game.losses}
    for player, chance in stage.chances.items():
        chance.taken = numbers["drawn"][player]
    trace = {name: tensors[f"trace/{name}"].to(training.device) for name in numbers["signals"]}
    training.trace = [(step, {name: of[i] for name, of in trace.items()}) for i, step in enumerate(numbers["trace"])]
    for player, optimizer in game.optimizers.items():
        prefix = f"optimizers/{player}/"
        own_tensors = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        restore_optimizer(optimizer, numbers["optimizers"][player], own_tensors)


def held_tensors(training: Training, stage: Stage) -> Iterator[tuple[str, Tensor]]:
    """Give the tensors that a training holds from its beginning and that are set in place."""
    for player, own in stage.game.ensemble.detached.items():
        yield from ((f"parameters/{player}/{name}", tensor) for name, tensor in own.items())
    for plugin, memory in stage.game.state.items():
        yield from ((f"memory/{plugin}/{name}", tensor) for name, tensor in memory.items())
    yield from ((f"average/{name}", tensor) for name, tensor in (training.average or {}).items())
    yield "clock", stage.game.clock
    yield "diverged_at", stage.game.diverged_at


def matching_tensor(tensors: Stacked, name: str, like: Tensor) -> Tensor:
    """Give a kept tensor; KeyError if there is none, ValueError if it has another shape or type."""
    found = tensors[name]
    if found.shape != like.shape or found.dtype != like.dtype:
        raise ValueError(f"{name}: {list(found.shape)} {found.dtype}, not {list(like.shape)} {like.dtype}")
    return found


def save_optimizer(optimizer: Optimizer) -> tuple[Numbers, Stacked]:
    """Give an optimizer's numbers, and its tensors as `<parameter's number>/<name>`.

    Its groups' options are among the numbers, for those that change on the way.
    """
    whole, tensors = optimizer.state_dict(), dict[str, Tensor]()
    numbers: Numbers = {"state": {}, "tensors": []}
    for index, own in whole["state"].items():
        for name, value in own.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{name}"] = value
                numbers["tensors"].append([index, name])
            elif value is None or isinstance(value, int | float):
                numbers["state"].setdefault(str(index), {})[name] = value
            else:
                raise TypeError(f"{type(optimizer).__name__} keeps {name!r} as {type(value).__name__}")
    numbers["groups"] = [
        {name: value for name, value in group.items() if isinstance(value, int | float)}
        for group in whole["param_groups"]
    ]
    return numbers, tensors


def restore_optimizer(optimizer: Optimizer, numbers: Numbers, tensors: Stacked) -> None:
    """Give an optimizer its memory back; what its groups hold as tensors (schedules' dials) stays theirs."""
    state: dict[int, dict[str, Any]] = {int(index): dict(own) for index, own in numbers["state"].items()}
    for index, name in numbers["tensors"]:
        state.setdefault(index, {})[name] = tensors[f"{index}/{name}"]
    options = [dict(group) for group in optimizer.param_groups]  # loading would put copies in the dials' place
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for group, own, kept in zip(optimizer.param_groups, options, numbers["groups"], strict=True):
        group.update({**own, **kept})
