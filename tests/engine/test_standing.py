"""With standing statistics a sample depends on no other; they are torch's own cumulative averages."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ganbench import Ask, GanbenchError, Networks, Space
from ganbench.engine import standing
from ganbench.engine.step_inputs import draw_evaluation_latent
from torch import Tensor, nn

from tests.support.small_games import LATENT, images, make_training, mlp, ns_gan, ring


def normed(norm=nn.BatchNorm2d) -> Space:
    """Return small convolutional networks whose generator has two batch normalisations."""

    def networks(spec, ask: Ask) -> Networks:
        g = nn.Sequential(
            nn.Linear(LATENT, 16, bias=False),
            nn.BatchNorm1d(16, track_running_stats=False),
            nn.ReLU(),
            nn.Unflatten(1, (4, 2, 2)),
            norm(4, affine=False, track_running_stats=False),
            nn.ConvTranspose2d(4, 1, 2, 2),
            nn.Tanh(),
        )
        d = nn.Sequential(nn.Conv2d(1, 4, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(16, 1), nn.Flatten(0))
        return Networks(generator=g, critic=d, latent=LATENT, rowwise=True)

    return Space(sample=lambda rng: {}, networks=networks)


def train(space: Space, source=images, mode="stack", **settings):
    run = make_training(ns_gan(), space, source(), mode=mode, steps=3, **settings)
    *_, last = run.run()
    return run, last


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_sample_does_not_depend_on_its_batch(mode):
    """Rows of 16 and rows of 16 with other neighbours: with the statistics of each batch, the images differ."""
    run, last = train(normed(), mode=mode)
    weights, buffers = last.generators, last.ensemble.buffers["generator"]
    fixed = replace(run.drawing, normalisation="standing")
    networks, statistics = fixed._fix_statistics(last.ensemble.networks, weights, buffers, run.members, "evaluation")
    z = torch.randn(3, 16, LATENT, generator=torch.Generator().manual_seed(1), dtype=run.dtype).to(run.device)
    generate, by_batch = fixed._map(networks), run.drawing._map(last.ensemble.networks)
    whole = generate(weights, statistics, z)
    assert torch.allclose(generate(weights, statistics, z[:, :3]), whole[:, :3], atol=1e-12)
    assert not torch.allclose(by_batch(weights, buffers, z[:, :3]), by_batch(weights, buffers, z)[:, :3], atol=1e-3)


def test_they_are_those_of_torchs_layers_with_cumulative_averages():
    run, last = train(normed())
    fixed = replace(run.drawing, normalisation="standing")
    ours = torch.cat(list(fixed.iterate(last, 40, "evaluation")), 1)
    networks = last.ensemble.networks
    for i, member in enumerate(run.members):
        theirs = nn.Sequential(
            nn.Linear(LATENT, 16, bias=False),
            nn.BatchNorm1d(16, momentum=None),
            nn.ReLU(),
            nn.Unflatten(1, (4, 2, 2)),
            nn.BatchNorm2d(4, affine=False, momentum=None),
            nn.ConvTranspose2d(4, 1, 2, 2),
            nn.Tanh(),
        ).to(run.device, run.dtype)
        theirs.load_state_dict({name: p[i] for name, p in last.generators.items()}, strict=False)

        def latents(stream: str, steps: int, member=member) -> Tensor:
            return draw_evaluation_latent(run.program, networks, [member], 16, steps, run.data, stream)[0]

        with torch.no_grad():
            for z in latents("evaluation.standing", standing.BATCHES):
                theirs(z)
            expected = theirs.eval()(latents("evaluation", 3).flatten(0, 1))[:40]
        assert torch.allclose(ours[i].double(), expected.double(), atol=1e-6)


def test_without_batch_normalisation_nothing_changes():
    run, last = train(mlp(), ring)
    fixed = replace(run.drawing, normalisation="standing")
    ours, batch = (torch.cat(list(each.iterate(last, 40, "evaluation")), 1) for each in (fixed, run.drawing))
    assert torch.equal(ours, batch)


class Own(nn.BatchNorm2d):
    """A batch normalisation that computes something else."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Centred(nn.Module):
    """Subtracts the mean of the batch by itself."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


@pytest.mark.parametrize(
    ("norm", "why"), [(Own, "layer 'Own' .*of its own kind"), (Centred, "depends on its neighbours")]
)
def test_what_cannot_be_fixed_is_refused_before_training(norm, why):
    run = make_training(ns_gan(), normed(norm), images(), steps=3)
    with pytest.raises(GanbenchError, match=f'normalisation = "standing": .*{why}.*Use normalisation = "batch"'):
        replace(run.drawing, normalisation="standing").refuse_standing(run.ensembles)
