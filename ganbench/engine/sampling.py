"""Samples of trained generators, a batch at a time for all members: no more of them is held than the caller keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganbench.api.models import Networks
from ganbench.api.trials import Mode
from ganbench.engine.ensemble import SEED_MAPS, Stacked
from ganbench.engine.play import open_play
from ganbench.engine.program import Program
from ganbench.engine.random_streams import Data, Member
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.step_inputs import draw_evaluation_labels, draw_evaluation_latent


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How samples of a training's members are drawn.

    `rows` is the batch size of the training, in which they are generated, because batch normalisation depends on it.
    """

    program: Program
    data: Data
    members: Sequence[Member]
    rows: int
    mode: Mode
    progress: Tensor

    @torch.no_grad()
    def iterate(self, snapshot: Snapshot, count: int, stream: str, at: Sequence[int] | None = None) -> Iterator[Tensor]:
        """Yield `count` samples of members of a snapshot in batches [S, n, *shape], in float32 on their device.

        `at` are the members' rows in the snapshot; None means all. The latents come from the stream of this name: the
        same for every snapshot, and independent of other streams and of other members. The averaged weights are used
        if there are any. The labels of a conditional generator are drawn in the frequencies of the data's labels, from
        the stream too.
        """
        positions = range(len(snapshot.members)) if at is None else at
        members = [self.members[snapshot.members[i]] for i in positions]
        networks = snapshot.ensemble.networks
        steps = -(-count // self.rows)
        inputs = [draw_evaluation_latent(self.program, networks, members, self.rows, steps, self.data, stream)]
        if networks.conditional:
            inputs.append(draw_evaluation_labels(members, self.rows, steps, self.data, stream))
        weights = select_rows(snapshot.average or snapshot.generators, at)
        buffers = select_rows(snapshot.ensemble.buffers["generator"], at)
        generate = SEED_MAPS[self.mode](self.make_member(networks))
        for step in range(steps):
            samples: Tensor = generate(weights, buffers, *(drawn[:, step] for drawn in inputs))
            yield samples[:, : count - step * self.rows].float()

    def make_member(self, networks: Networks) -> Callable[..., Tensor]:
        """Return the function of one member from its weights, its buffers, its latents and labels to its samples."""

        def generate(parameters: Stacked, buffers: Stacked, z: Tensor, labels: Tensor | None = None) -> Tensor:
            play = open_play(self.program, networks, {"generator": buffers}, parameters, {}, self.progress, labels)
            return play.generator(z)

        return generate


def select_rows(stacked: Stacked, at: Sequence[int] | None) -> Stacked:
    """Return these rows of stacked tensors; None means all."""
    return stacked if at is None else {name: tensor[list(at)] for name, tensor in stacked.items()}
