"""Samples of trained generators, a batch at a time for all members: no more of them is held than the caller keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from ganbench.api.models import Networks
from ganbench.api.trials import Mode
from ganbench.engine import standing
from ganbench.engine.ensemble import SEED_MAPS, Ensemble, Stacked
from ganbench.engine.labels import takes_labels
from ganbench.engine.play import open_play
from ganbench.engine.program import Program
from ganbench.engine.random_streams import Data, Member
from ganbench.engine.snapshot import Snapshot
from ganbench.engine.step_inputs import draw_evaluation_labels, draw_evaluation_latent


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How samples of a training's members are drawn.

    `rows` is the batch size of the training, in which they are generated, because batch normalisation depends on it.
    With "standing" normalisation its statistics are fixed before (`engine.standing`), by batches of other latents.
    """

    program: Program
    data: Data
    members: Sequence[Member]
    rows: int
    mode: Mode
    progress: Tensor
    normalisation: Literal["batch", "standing"] = "batch"

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
        weights = select_rows(snapshot.average or snapshot.generators, at)
        buffers = select_rows(snapshot.ensemble.buffers["generator"], at)
        if self.normalisation == "standing":
            networks, buffers = self._fix_statistics(networks, weights, buffers, members, stream)
        generate = self._map(networks)
        for step, drawn in enumerate(self._draw_inputs(networks, members, -(-count // self.rows), stream)):
            samples: Tensor = generate(weights, buffers, *drawn)
            yield samples[:, : count - step * self.rows].float()

    @torch.no_grad()
    def interpolate(self, snapshot: Snapshot, at: int, count: int, places: int) -> Tensor:
        """Return samples of one member on the way between two latents, [rows, places, *shape], in float32.

        Row i goes from the latent of sample i of `iterate(snapshot, count, "evaluation")` to that of sample i + rows,
        on the sphere, because normal latents lie near one (White 2016, arXiv:1609.04468). Codes and labels stay. Each
        place is one batch of the training's size, so its normalisation is that of other samples.
        """
        networks, members = snapshot.ensemble.networks, [self.members[snapshot.members[at]]]
        weights = select_rows(snapshot.average or snapshot.generators, [at])
        buffers = select_rows(snapshot.ensemble.buffers["generator"], [at])
        steps = max(2, -(-count // self.rows))
        (first, *labels), (second, *_), *_ = self._draw_inputs(networks, members, steps, "evaluation")
        noise, codes = first.split([networks.latent, first.shape[-1] - networks.latent], -1)
        generate, target = self._map(networks), second[..., : networks.latent]
        way = [
            generate(weights, buffers, torch.cat([blend(noise, target, t), codes], -1), *labels)
            for t in torch.linspace(0, 1, places, dtype=torch.float64).tolist()
        ]
        return torch.stack([samples[0].float() for samples in way], 1)

    def refuse_standing(self, ensembles: Sequence[Ensemble]) -> None:
        """Raise GanbenchError if the generators of these stages cannot be evaluated with standing statistics."""
        for ensemble in ensembles:
            weights, buffers = ensemble.detached["generator"], ensemble.buffers["generator"]
            with torch.no_grad():
                self._fix_statistics(ensemble.networks, weights, buffers, self.members, "evaluation")

    def _map(self, networks: Networks, statistics: bool = False) -> Callable[..., Any]:
        """Return the function of all members from weights, buffers, latents and labels to samples, or to statistics."""

        def member(parameters: Stacked, buffers: Stacked, z: Tensor, labels: Tensor | None = None) -> Any:
            play = open_play(self.program, networks, {"generator": buffers}, parameters, {}, self.progress, labels)
            if statistics:
                return standing.collect_statistics(networks.generator, lambda: play.generator(z))
            return play.generator(z)

        return SEED_MAPS[self.mode](member)

    def _draw_inputs(
        self, networks: Networks, members: Sequence[Member], steps: int, stream: str
    ) -> Iterator[tuple[Tensor, ...]]:
        """Yield the latents, and the labels of conditional networks, of each step [S, rows, ...]."""
        inputs = [draw_evaluation_latent(self.program, networks, members, self.rows, steps, self.data, stream)]
        if takes_labels(networks, "generator"):
            inputs.append(draw_evaluation_labels(members, self.rows, steps, self.data, stream))
        return (tuple(drawn[:, step] for drawn in inputs) for step in range(steps))

    def _fix_statistics(
        self, networks: Networks, weights: Stacked, buffers: Stacked, members: Sequence[Member], stream: str
    ) -> tuple[Networks, Stacked]:
        """Return the networks with standing normalisations, and the buffers with their statistics.

        Raise GanbenchError where a sample would still depend on its neighbours.
        """
        fixed = replace(networks, generator=standing.make_standing(networks.generator))
        device = self.progress.device
        empty = {
            f"{name}.{buffer}": value.to(device).expand(len(members), *value.shape)
            for name, norm in standing.find_norms(fixed.generator).items()
            for buffer, value in norm.named_buffers()
        }
        inputs = [*self._draw_inputs(networks, members, standing.BATCHES, f"{stream}.{standing.STREAM}")]
        collect = self._map(fixed, statistics=True)
        sums = dict(buffers) | empty
        for number, drawn in enumerate(inputs if empty else (), 1):
            for name, value in collect(weights, dict(buffers) | empty, *drawn).items():
                sums[name] = sums[name] + (value - sums[name]) / number
        generate = self._map(fixed)
        others = [torch.cat([one[:, :1], other[:, 1:]], 1) for one, other in zip(inputs[0], inputs[1], strict=True)]
        standing.refuse_neighbours(generate(weights, sums, *inputs[0]), generate(weights, sums, *others))
        return fixed, sums


def select_rows(stacked: Stacked, at: Sequence[int] | None) -> Stacked:
    """Return these rows of stacked tensors; None means all."""
    return stacked if at is None else {name: tensor[list(at)] for name, tensor in stacked.items()}


def blend(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Return the spherical interpolation from a to b [..., n] at t in [0, 1]; it is straight if they are parallel."""
    cosine = (a * b).sum(-1, keepdim=True) / (a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True))
    angle = cosine.clamp(-1, 1).acos()
    sine = angle.sin()
    curved = ((1 - t) * angle).sin() / sine * a + (t * angle).sin() / sine * b
    return torch.where(sine.abs() > 1e-6, curved, (1 - t) * a + t * b)
