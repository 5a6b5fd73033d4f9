"""Data and generators of known laws have these laws, and the divergences between them are measured, even infinite."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import ganbench
import pandas as pd
import pytest
import torch
from ganbench import Ask, GanbenchError, Networks, Source
from ganbench.results.export import export
from ganbench.results.merge import merge
from scipy.stats import kstest, norm
from torch import Generator, Tensor
from torch.func import functional_call, stack_module_state, vmap

from ganbench_plugins.architectures import known_generator
from ganbench_plugins.datasets import known_laws
from ganbench_plugins.laws import Circle, Discrete, Line, Normal
from tests.support.metric_checks import METRICS, measure

DATASETS = {offer.name: offer.build for offer in known_laws.ganbench_datasets()}
(KNOWN,) = known_generator.ganbench_architectures()
N = 4000
CHANCE = 1e-4
"""Samples are fixed by their seed; a test of them fails by chance for one seed in 10,000."""


def draw(source: Source) -> Tensor:
    assert source.draw is not None
    return source.draw(Generator().manual_seed(0), N)


def networks(shape: tuple[int, ...] = (2,), **options: Any) -> Networks:
    space = KNOWN.build(**options)
    return space.networks(space.sample(Random(0)), Ask(shape=shape))


def generate(nets: Networks) -> Tensor:
    return nets.generator(torch.randn(N, nets.latent, generator=Generator().manual_seed(1))).detach()


def find_law(nets: Networks) -> Any:
    return nets.generator.law(dict(nets.generator.named_parameters()))


def require_law(samples: Tensor, law: Any) -> None:
    assert kstest(samples.double().numpy(), law).pvalue > CHANCE


# The samples have the law


def both(dataset: str, data: dict[str, Any], **options: Any) -> list[tuple[Tensor, Any]]:
    """Return the samples of the dataset, and those of the known generator, each with the law that it says."""
    source, nets = DATASETS[dataset](**data), networks(**options)
    return [(draw(source), source.facts["law"]), (generate(nets), find_law(nets))]


def test_a_line_is_uniform_over_its_length_at_theta() -> None:
    for samples, law in both("parallel-lines", {"theta": 0.3}, law="line", shift=0.3):
        assert law == Line(float(torch.tensor(0.3)))
        assert (samples[:, 0] == law.theta).all()
        require_law(samples[:, 1], "uniform")


def test_noise_on_a_line_is_gaussian_on_both_axes() -> None:
    for samples, law in both("parallel-lines", {"theta": 2.0, "noise": 0.5}, law="line", shift=2.0, noise=0.5):
        assert law == Line(2.0, noise=0.5)
        require_law(samples[:, 0], norm(2, 0.5).cdf)
        assert float(samples[:, 1].var()) == pytest.approx(1 / 12 + 0.25, rel=0.1)


def test_a_circle_has_its_radius_and_all_directions() -> None:
    for samples, law in both("circles", {"radius": 0.5}, law="circle", scale=0.5):
        assert law == Circle(0.5)
        torch.testing.assert_close(samples.norm(dim=1), torch.full((N,), 0.5), rtol=0, atol=1e-6)
        require_law(torch.atan2(samples[:, 1], samples[:, 0]) / (2 * math.pi) + 0.5, "uniform")
    moved = networks(law="circle", shift=3.0, scale=-2.0, noise=0.1)
    assert find_law(moved) == Circle(2.0, (3.0, 0.0), 0.1)


def test_a_table_has_one_hot_vectors_with_its_probabilities() -> None:
    chances = (0.5, 0.25, 0.0, 0.25)
    for samples, law in both("tabular", {"probabilities": chances}, law="tabular", probabilities=chances, shape=(4,)):
        assert law == Discrete(chances)
        assert ((samples == 1).sum(1) == 1).all()
        assert ((samples != 0).sum(1) == 1).all()
        for share, chance in zip(samples.mean(0).tolist(), chances, strict=True):
            assert share == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / N) + 1e-9)


def test_a_normal_law_is_moved_and_scaled() -> None:
    nets = networks((1,), law="normal", shift=2.0, scale=0.5)
    assert find_law(nets) == Normal(2.0, 0.5)
    require_law(generate(nets)[:, 0], norm(2, 0.5).cdf)
    assert find_law(networks((1,), scale=0.75, noise=1.0)) == Normal(0.0, 1.25)
    images = networks((1, 2, 2), shift=2.0)
    assert find_law(images) is None
    assert generate(images).flatten(1).mean(0) == pytest.approx(torch.tensor([2.0, 0, 0, 0]), abs=0.1)


def test_data_plus_noise_is_a_sample_of_the_data_plus_a_gaussian() -> None:
    """WGAN-GP, figure 1b: the fake law is the real one plus N(0, I)."""
    bank = networks(law="data", dataset="ring", bank=500)
    known = bank.generator.base.bank
    assert find_law(bank) is None
    assert torch.isin(generate(bank), known).all()
    assert len(generate(bank).unique(dim=0)) > 490  # 4,000 draws of 500 miss each with a chance of e^-8
    noisy = networks(law="data", dataset="ring", bank=500, noise=1.0)
    z = torch.randn(N, noisy.latent, generator=Generator().manual_seed(1))
    around = (noisy.generator(z) - bank.generator(z[:, :1])).detach()
    torch.testing.assert_close(around, z[:, 1:], rtol=0, atol=1e-5)
    torch.testing.assert_close(networks(law="data", dataset="ring", bank=500).generator.base.bank, known)


def test_the_reference_is_not_the_bank_and_repeats() -> None:
    source = DATASETS["circles"]()
    assert torch.equal(source.reference(50), source.reference(50))
    bank = networks(law="data", dataset="circles").generator.base.bank
    assert not (bank.unsqueeze(1) == source.reference(50)).all(2).any()


# The generator as a network


def test_the_line_has_theta_alone_and_all_other_laws_a_shift_of_every_axis_and_a_scale() -> None:
    sizes = {
        law: {name: tuple(p.shape) for name, p in networks(law=law).generator.named_parameters()}
        for law in ("line", "circle", "normal", "data")
    }
    assert sizes.pop("line") == {"shift": (1,)}
    assert all(size == {"shift": (2,), "scale": (1,)} for size in sizes.values())


@pytest.mark.parametrize("law", ["line", "circle", "normal", "data"])
def test_the_samples_move_with_the_shift_and_stretch_with_the_scale(law: str) -> None:
    nets = networks(law=law, noise=0.1)
    nets.generator(torch.randn(10, nets.latent))[:, 0].mean().backward()
    parameters = dict(nets.generator.named_parameters())
    assert parameters["shift"].grad[0] == pytest.approx(1.0)
    if "scale" in parameters:
        assert parameters["scale"].grad.abs() > 0


@pytest.mark.parametrize("options", [{"law": law} for law in ("line", "circle", "normal", "data")] + [{"noise": 0.5}])
def test_a_stack_of_members_makes_what_each_makes_alone(options: dict[str, Any]) -> None:
    members = [networks(shift=float(shift), **options) for shift in range(3)]
    generators = [member.generator for member in members]
    parameters, buffers = stack_module_state(generators)
    z = torch.randn(3, 5, members[0].latent, generator=Generator().manual_seed(0))
    stacked = vmap(lambda p, b, z: functional_call(generators[0], (p, b), z))(parameters, buffers, z)
    for row, generator in enumerate(generators):
        torch.testing.assert_close(stacked[row], generator(z[row]), rtol=0, atol=1e-6)


def test_the_critic_is_the_perceptron_of_the_options() -> None:
    critic = networks(critic_depth=2, critic_width=5, critic_activation="tanh", critic_normalised=True).critic
    assert [type(layer).__name__ for layer in critic.trunk] == ["Linear", "Tanh", "Linear", "LayerNorm", "Tanh"]
    assert critic.score.in_features == 5
    space = KNOWN.build(law="line")
    packed = space.networks(space.sample(Random(0)), Ask(shape=(2,), pack=3))
    assert packed.critic(torch.zeros(4, 6)).shape == (4,)


def test_what_it_cannot_be_is_refused() -> None:
    for law in ("line", "circle", "data", "tabular"):
        with pytest.raises(GanbenchError, match=rf"{law}.*\(3,\).*'normal'"):
            networks((3,), law=law)
    space = KNOWN.build()
    with pytest.raises(GanbenchError, match="codes"):
        space.networks(space.sample(Random(0)), Ask(shape=(2,), latent=3))
    with pytest.raises(GanbenchError, match="scale = 2"):
        KNOWN.build(law="line", scale=2.0)


# The metric


def score(source: Source, nets: Networks, **options: Any) -> dict[str, float]:
    from ganbench_plugins.metrics import divergences

    metric = divergences.divergences(**options)
    return measure(metric, source=source, networks=nets, generator_parameters=dict(nets.generator.named_parameters()))


def test_the_metric_has_the_divergences_of_the_papers_lines_with_and_without_noise() -> None:
    source, nets = DATASETS["parallel-lines"](), networks(law="line", shift=1.0)
    exact = {"w1": 1.0, "w2": 1.0, "js": math.log(2), "kl": math.inf, "reverse-kl": math.inf, "tv": 1.0}
    assert score(source, nets) == exact
    noisy = score(source, nets, noise=1.0)
    assert noisy["js"] == pytest.approx(0.111421, abs=5e-7)
    assert noisy["kl"] == noisy["reverse-kl"] == pytest.approx(0.5, abs=1e-12)
    assert noisy["w1"] == 1.0
    assert set(score(DATASETS["parallel-lines"](theta=0.3), networks(law="line", shift=0.3)).values()) == {0.0}


def test_the_law_of_a_third_partys_data_and_generator_may_be_plain_data() -> None:
    source = SimpleNamespace(facts={"law": {"kind": "normal"}})
    nets = SimpleNamespace(generator=SimpleNamespace(law=lambda p: {"kind": "normal", "mean": float(p["m"])}))
    metric = METRICS["divergences"]
    values = measure(metric, source=source, networks=nets, generator_parameters={"m": torch.tensor(1.0)})
    assert values["w1"] == 1.0
    assert values["js"] == pytest.approx(0.111421, abs=5e-7)


def test_the_metric_tells_kl_from_reverse_kl() -> None:
    source = DATASETS["tabular"](probabilities=(0.5, 0.5, 0.0))
    nets = networks((3,), law="tabular", probabilities=(0.25, 0.25, 0.5))
    values = score(source, nets)
    assert values["kl"] == pytest.approx(math.log(2), abs=1e-12)  # of the data from the generator
    assert values["reverse-kl"] == math.inf
    assert values["w1"] == pytest.approx(math.sqrt(2) / 2, abs=1e-12)


def test_the_metric_refuses_laws_that_it_does_not_know() -> None:
    lines, line = DATASETS["parallel-lines"](), networks(law="line")
    with pytest.raises(GanbenchError, match=r"\['centres'\], without 'law'.*'parallel-lines'"):
        score(SimpleNamespace(facts={"centres": 1}), line)  # type: ignore[arg-type]
    with pytest.raises(GanbenchError, match=r"generator is not known.*'known-generator'"):
        score(lines, networks())
    moved = networks((4,), law="tabular", shift=1.0)
    with pytest.raises(GanbenchError, match="generator is not known"):
        score(DATASETS["tabular"](), moved)
    with pytest.raises(GanbenchError, match="two laws of one kind"):
        score(DATASETS["circles"](), line)
    assert METRICS["divergences"].needs == "networks"


def run_lines(folder: Path, method: str) -> ganbench.results.frames.Frames:
    """Train one line towards another, as a user does."""
    return ganbench.run(
        {
            "question": "Which divergence tells that the line comes nearer?",
            "seeds": 2,
            "methods": [method],
            "budget": {"generator_steps": 40, "batch_size": 32, "snapshots": 2},
            "architectures": {
                "space": "known-generator",
                "options": {"law": "line", "shift": 1.0, "critic_width": 16},
            },
            "dataset": [{"name": "parallel-lines", "metrics": ["divergences", "one-nearest-neighbour"]}],
            "measurement": {"samples": 100},
            "success": [{"dataset": "parallel-lines", "metric": "kl", "thresholds": [1.0], "allow_trivial": True}],
        },
        results=folder,
        jobs=0,
    )


def test_an_infinite_divergence_is_stored_read_exported_and_merged_as_infinite(tmp_path: Path) -> None:
    """It is a score like others: worse than every finite one, and no NaN, which would say undefined."""
    frames = run_lines(tmp_path / "a", "wgan-gp")
    run_lines(tmp_path / "b", "ns-gan")
    assert (frames.trials["status"] == "completed").all()
    wide = frames.series.pivot_table(index=["key", "step"], columns="name", values="value")
    for name, value in {
        "kl": math.inf,
        "reverse-kl": math.inf,
        "js": math.log(2),
        "tv": 1.0,
        "nn-accuracy": 1.0,
    }.items():
        assert wide[name].tolist() == pytest.approx([value] * 4)
    assert wide["w1"].tolist() == pytest.approx([1.0] * 4, abs=0.2)
    assert wide["w1"].nunique() > 1  # the line has moved
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    again = ganbench.read(tmp_path / "c", everything=True)
    merged = again.scores[again.scores["key"].isin(frames.keys)].reset_index(drop=True)
    pd.testing.assert_frame_equal(merged, frames.scores)
    list(export(again, tmp_path / "out"))
    stored = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert stored.loc[stored["name"] == "kl", "value"].eq(math.inf).all()
    ganbench.write_page([tmp_path / "c"], tmp_path / "page.html")
    assert "parallel-lines" in (tmp_path / "page.html").read_text()


def test_a_frozen_table_keeps_its_law_while_its_critic_trains(tmp_path: Path) -> None:
    """JS of (.5, .5, 0) and (.25, .25, .5) is log(4/3) / 2 + log(2/3) / 4 + log(2) / 4, before and after."""
    frames = ganbench.run(
        {
            "question": "Does the law stay?",
            "seeds": 2,
            "method": [{"name": "frozen", "from": "ns-gan", "dynamics": "critic-alone"}],
            "budget": {"generator_steps": 60, "batch_size": 32, "snapshots": 2},
            "architectures": {
                "space": "known-generator",
                "options": {"law": "tabular", "probabilities": [0.25, 0.25, 0.5], "critic_width": 16},
            },
            "dataset": [{"name": "tabular", "probabilities": [0.5, 0.5, 0.0], "metrics": ["divergences"]}],
            "measurement": {"samples": 50},
        },
        results=tmp_path,
        jobs=0,
    )
    assert frames.trials["error"].tolist() == ["", ""]
    js = frames.series.loc[frames.series["name"] == "js", "value"].tolist()
    assert js == pytest.approx([math.log(4 / 3) / 2 + math.log(2 / 3) / 4 + math.log(2) / 4] * 4, abs=1e-12)
