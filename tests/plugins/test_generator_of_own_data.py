"""The known generator may be made of the samples of the trial's own dataset."""

from __future__ import annotations

from pathlib import Path
from random import Random

import ganbench
import pytest
import torch
from ganbench import Ask, GanbenchError

from ganbench_plugins.architectures import known_generator
from ganbench_plugins.datasets.known_laws import circles


def test_the_generator_may_be_made_of_the_trials_own_data() -> None:
    space = known_generator.build(law="data", dataset="own", bank=500)
    source = circles(radius=3.0)
    own = space.networks(space.sample(Random(0)), Ask(shape=(2,), draw=source.draw))
    made = own.generator(torch.randn(4000, own.latent, generator=torch.Generator().manual_seed(1)))
    assert made.norm(dim=1).tolist() == pytest.approx([3.0] * 4000, abs=1e-5)
    with pytest.raises(GanbenchError, match=r"'own'.*finite set.*'ring'"):
        space.networks(space.sample(Random(0)), Ask(shape=(2,)))


def test_each_dataset_of_a_suite_has_a_generator_of_its_own_data(tmp_path: Path) -> None:
    """Its samples are no farther from the data than samples of the data; circle and ring are far from each other."""
    frames = ganbench.run(
        {
            "question": "Is the generator made of the data?",
            "seeds": 1,
            "method": [{"name": "frozen", "from": "wgan-gp", "dynamics": "critic-alone", "critic_steps": 1}],
            "budget": {"generator_steps": 2, "batch_size": 8, "snapshots": 1},
            "architectures": {"space": "known-generator", "options": {"law": "data", "dataset": "own"}},
            "dataset": [{"name": "circles"}, {"name": "ring"}],
            "measurement": {"samples": 4000, "metrics": ["sliced-w1"]},
        },
        results=tmp_path,
        jobs=0,
    )
    assert frames.trials["error"].tolist() == ["", ""]
    distances = frames.series.loc[frames.series["name"] == "sliced-w1", "value"]
    assert len(distances) == 2
    assert distances.max() < 0.05
