"""Adam by our own kernel, in the place of torch's step: the same state in the same optimizer, in less time.

Most of a step of torch's Adam on a small network is Python's; its kernel also takes twice the time of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Adam
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from ganbench.engine import kernels


def suits_kernel(optimizer: Any) -> bool:
    """Return whether an optimizer is torch's Adam as our kernel has it: on a CPU, without decay, variants or hooks."""
    if type(optimizer) is not Adam or len(optimizer.param_groups) != 1:
        return False
    (group,) = optimizer.param_groups
    plain = not (group["amsgrad"] or group["maximize"] or group["differentiable"]) and group["weight_decay"] == 0
    hooks = (
        *(optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks),
        *(_global_optimizer_pre_hooks, _global_optimizer_post_hooks),
    )
    leaves: Sequence[Tensor] = group["params"]
    types = {leaf.dtype for leaf in leaves}
    known = len(types) == 1 and types <= kernels.REALS.keys() and all(leaf.is_contiguous() for leaf in leaves)
    return plain and known and not any(hooks) and all(leaf.device.type == "cpu" for leaf in leaves)


class KernelAdam:
    """Steps an optimizer that `suits_kernel`; makes its state before the first step, as torch's own first step would.

    `step` takes the gradients of the parameters, in their order, contiguous and of their shapes.
    """

    def __init__(self, optimizer: Adam, step_adam: kernels.StepAdam) -> None:
        self.optimizer, self.kernel = optimizer, step_adam
        self.state = optimizer.state
        (group,) = optimizer.param_groups
        leaves: list[Tensor] = group["params"]
        for leaf in leaves:
            if not optimizer.state[leaf]:
                optimizer.state[leaf].update(make_state(leaf))
        states = [optimizer.state[leaf] for leaf in leaves]
        self.counts = [state["step"].numpy() for state in states]
        rows = [leaves, leaves, [state["exp_avg"] for state in states], [state["exp_avg_sq"] for state in states]]
        self.addresses = np.array([[tensor.data_ptr() for tensor in row] for row in rows], np.int64)
        self.sizes = np.array([leaf.numel() for leaf in leaves], np.int64)
        self.pointers = [len(leaves), *(row.ctypes.data for row in self.addresses), self.sizes.ctypes.data]
        self.gradients: Mapping[str, Tensor] | None = None

    @property
    def is_current(self) -> bool:
        """Whether the optimizer still has the state whose memory is known here: another one may have been loaded."""
        return self.optimizer.state is self.state

    def step(self, gradients: Mapping[str, Tensor]) -> None:
        """Update the parameters and the state, by algorithm 1 of Kingma and Ba 2015 (arXiv:1412.6980)."""
        if gradients is not self.gradients:
            self.addresses[1] = [gradient.data_ptr() for gradient in gradients.values()]
            self.gradients = gradients
        (group,) = self.optimizer.param_groups
        for count in self.counts:
            count += 1
        t, (beta1, beta2) = float(self.counts[0]), map(float, group["betas"])
        rate = float(group["lr"]) / (1 - beta1**t)
        self.kernel(*self.pointers, rate, 1 - beta1, beta2, (1 - beta2**t) ** 0.5, group["eps"])


def open_kernel(optimizer: Any) -> KernelAdam | None:
    """Return what steps this optimizer by our kernel; None if that is not possible."""
    if not suits_kernel(optimizer):
        return None
    loaded = kernels.load(optimizer.param_groups[0]["params"][0].dtype)
    return None if loaded is None else KernelAdam(optimizer, loaded.step_adam)


def make_state(leaf: Tensor) -> dict[str, Tensor]:
    """Return the state of a parameter in torch's Adam before the first step."""
    return {"step": torch.zeros(()), "exp_avg": torch.zeros_like(leaf), "exp_avg_sq": torch.zeros_like(leaf)}
