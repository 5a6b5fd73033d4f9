"""Judge images of untrained generators by FID, and print the megabytes of the process before and at its peak.

Run by tests/evaluation/test_judging_memory.py: `python -m tests.support.judging_memory MEMBERS SAMPLES FEATURES`.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping

import torch
from ganbench import Ask, Extractor, Networks, Source, Space
from ganbench.api.trials import Part
from ganbench.evaluation.best_snapshot import BestSnapshots
from ganbench.evaluation.scoring import Reference
from torch import Tensor, nn

from tests.support.metric_checks import METRICS
from tests.support.small_games import LATENT, make_training, ns_gan

SHAPE = (3, 32, 32)


class Projection(nn.Module):
    """A random extractor: tanh of random sums and differences of two pixels."""

    def __init__(self, features: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("pairs", torch.randint(3 * 32 * 32, (2, features), generator=generator))
        self.register_buffer("signs", 2.0 * torch.randint(2, (features,), generator=generator) - 1)

    def forward(self, x: Tensor) -> Mapping[str, Tensor]:
        first, second = (x.flatten(1)[:, pixels] for pixels in self.pairs)
        return {"features": (first + self.signs * second).tanh()}


def networks(spec: object, ask: Ask) -> Networks:
    generator = nn.Sequential(nn.Linear(LATENT, 3 * 32 * 32), nn.Tanh(), nn.Unflatten(1, SHAPE))
    critic = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1), nn.Flatten(0))
    return Networks(generator=generator, critic=critic, latent=LATENT, rowwise=True)


def make_source(features: int, rows: int) -> Source:
    net = Projection(features)
    some = torch.randint(256, (64, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return Source(
        shape=SHAPE,
        size=64,
        take=lambda indices: some[indices],
        reference=lambda n: some[torch.arange(min(n, rows)) % 64],
        extractor=Extractor(name="projection", digest=f"{features}", extract=net, module=net),
    )


def peak() -> float:
    """Return the most megabytes that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(members: int, samples: int, features: int) -> None:
    torch.set_num_threads(1)
    source, space = make_source(features, samples), Space(sample=lambda rng: {}, networks=networks)
    run = make_training(ns_gan(), space, source, tuple(range(members)), steps=1, dtype=torch.float32)
    *_, last = run.run()
    began = peak()
    scorer = BestSnapshots(run, samples, [(Part("fid"), METRICS["fid"])], Reference(source, samples))
    scores = scorer.score_snapshot(last)
    values = [each.value for member in scores for each in member if each.name == "fid"]
    assert len(values) == members
    assert all(value > 0 for value in values), values
    sys.stdout.write(f"{began:.0f} {peak():.0f}\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
