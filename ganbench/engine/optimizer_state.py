"""The state of an optimizer as tensors by name and plain numbers, and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ganbench.engine.ensemble import Stacked
from ganbench.engine.member_optimizers import MemberOptimizers
from ganbench.engine.snapshot import Numbers


def save_optimizer(optimizer: Optimizer | MemberOptimizers) -> tuple[Numbers, Stacked]:
    """Return an optimizer's numbers, and its tensors by name, `<index of the parameter>/<name>`.

    Those of groups of members are a list, and `<number of the group>/` precedes their names. The numbers include the
    options of the parameter groups, because an optimizer may change them. Raise TypeError for a value in the state that
    is not a tensor, a number or None.
    """
    if isinstance(optimizer, MemberOptimizers):
        saved = [save_optimizer(each) for each in optimizer.optimizers]
        named = ((f"{i}/{name}", tensor) for i, (_, group) in enumerate(saved) for name, tensor in group.items())
        return {"members": [group for group, _ in saved]}, dict(named)
    state_dict, tensors = optimizer.state_dict(), dict[str, Tensor]()
    numbers: Numbers = {"state": {}, "tensors": []}
    for index, parameter_state in state_dict["state"].items():
        for name, value in parameter_state.items():
            if isinstance(value, Tensor):
                tensors[f"{index}/{name}"] = value
                numbers["tensors"].append([index, name])
            elif value is None or isinstance(value, int | float):
                numbers["state"].setdefault(str(index), {})[name] = value
            else:
                raise TypeError(
                    f"the state of {type(optimizer).__name__} has {name!r} as {type(value).__name__}; a checkpoint can "
                    "store only tensors and numbers"
                )
    numbers["groups"] = [
        {name: value for name, value in group.items() if isinstance(value, int | float)}
        for group in state_dict["param_groups"]
    ]
    return numbers, tensors


def restore_optimizer(optimizer: Optimizer | MemberOptimizers, numbers: Numbers, tensors: Stacked) -> None:
    """Restore an optimizer's state; options that are tensors (scheduled scalars) stay the same tensors."""
    if isinstance(optimizer, MemberOptimizers):
        for i, (each, group) in enumerate(zip(optimizer.optimizers, numbers["members"], strict=True)):
            own = {name.removeprefix(f"{i}/"): t for name, t in tensors.items() if name.startswith(f"{i}/")}
            restore_optimizer(each, group, own)
        return
    state: dict[int, dict[str, Any]] = {int(index): dict(values) for index, values in numbers["state"].items()}
    for index, name in numbers["tensors"]:
        state.setdefault(index, {})[name] = tensors[f"{index}/{name}"]
    options = [dict(group) for group in optimizer.param_groups]  # load_state_dict replaces scheduled scalars by copies
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for group, group_options, saved in zip(optimizer.param_groups, options, numbers["groups"], strict=True):
        group.update({**group_options, **saved})
