"""The recipes of the f-GAN, relativistic, energy-based and kernel losses: their papers' settings, and a few steps."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from ganbench import Method, Use, plan, registry, suite
from ganbench.engine import train

from ganbench_plugins.constraints import pulling_away
from ganbench_plugins.losses import energy_based, kernel_distances, relativistic
from ganbench_plugins.losses import f_gan as f_gan_loss
from ganbench_plugins.methods import ebgan, f_gan
from ganbench_plugins.methods import kernel_distances as kernel_methods
from ganbench_plugins.methods import relativistic as relativistic_methods
from tests.support import device as where

MODULES = (f_gan, relativistic_methods, ebgan, kernel_methods)
METHODS = {offer.name: offer for offer in chain.from_iterable(module.ganbench_methods() for module in MODULES)}
PLUGINS = (*MODULES, f_gan_loss, relativistic, energy_based, kernel_distances, pulling_away)
ADAM = {
    "dcgan": (2e-4, 0.5, 0.999),
    "wgan-gp": (1e-4, 0.5, 0.9),
    "r3gan": (2e-4, 0.0, 0.9),
    "ebgan": (1e-3, 0.9, 0.999),
}


RECONSTRUCTION = {
    "architectures": {"space": "autoencoder", "options": {"filters": 4, "code": 5, "latent": 4}},
    "dataset": [{"name": "digits"}],
    "measurement": {"samples": 2000},
}


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load(plugins=PLUGINS)


def build(name: str) -> Method:
    method: Method = METHODS[name].build()
    return method


@pytest.mark.parametrize(
    ("name", "loss", "optimizer", "steps", "norm"),
    [
        *((f"fgan-{d}", Use("f-gan", divergence=d), "dcgan", 1, "batch") for d in f_gan_loss.BOUNDS),
        ("rsgan", Use("rpgan"), "dcgan", 1, "layer"),
        ("rasgan", Use("rasgan"), "dcgan", 1, "layer"),
        ("r3gan", Use("rpgan"), "r3gan", 1, "layer"),
        ("ebgan", Use("ebgan", margin=10.0), "ebgan", 1, "batch"),
        ("cramer-gan", Use("energy-distance", surrogate=True), "wgan-gp", 5, "layer"),
    ],
)
def test_a_recipe_has_its_papers_loss_adam_critic_steps_and_norm(name, loss, optimizer, steps, norm) -> None:
    method = build(name)
    assert (method.loss, method.critic_steps, method.critic_norm) == (loss, steps, norm)
    assert method.optimizer.name == "adam"
    assert tuple(method.optimizer.options[key] for key in ("lr", "beta1", "beta2")) == ADAM[optimizer]


def test_the_constraints_have_the_papers_weights() -> None:
    assert build("r3gan").constraints == (Use("r1", weight=0.05), Use("r2", weight=0.05))
    assert build("rsgan").constraints == build("rasgan").constraints == (Use("spectral-norm"),)
    assert build("ebgan").constraints == (Use("pulling-away", weight=0.1),)
    assert build("mmd-gan").constraints == (Use("gradient-penalty", weight=1.0),)
    assert build("cramer-gan").constraints == (Use("gradient-penalty", weight=10.0),)


def test_mmd_gan_has_the_papers_kernel_and_the_codes_critic_steps() -> None:
    """Five rational quadratic kernels and a linear one; 10 critic steps in the first 20 steps and every 500th."""
    method = build("mmd-gan")
    assert method.loss == Use("mmd-gan", kernel="rational-quadratic", linear=1.0)
    assert kernel_distances.SCALES["rational-quadratic"] == (0.2, 0.5, 1.0, 2.0, 5.0)
    assert method.critic_steps == {"steps": [[20, 10], ["inf", 5]], "every": [500, 10]}


def test_the_f_gans_players_step_at_once_as_in_algorithm_1() -> None:
    assert all(build(name).dynamics == Use("simultaneous") for name in METHODS if name.startswith("fgan-"))


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_trains_and_cites_its_paper(plugins: registry.Registry, name: str) -> None:
    assert "arXiv:" in METHODS[name].reference
    table = {
        "question": "Does it train?",
        "seeds": 2,
        "methods": [name],
        "budget": {"generator_steps": 4, "batch_size": 8, "snapshots": 1},
        "architectures": {"space": "mlp", "options": {"generator_width": 8, "critic_width": 8}},
        "dataset": [{"name": "ring"}],
        "measurement": {"samples": 50},
        **(RECONSTRUCTION if name == "ebgan" else {}),
    }
    (batch,) = plan.make(suite.parse(table), plugins).batches
    *_, last = train.prepare(batch, plugins, torch.device(where.DEVICE)).run()
    assert last.diverged_at == [-1, -1]
    for signal in ("loss.critic", "loss.generator"):
        assert last.signals[signal][1].isfinite().all()
    if name == "ebgan":
        error, mean_image = (last.signals[f"objective.{leaf}"][1] for leaf in ("error", "mean_image"))
        assert (error > 0).all()
        assert (mean_image > 0).all()
        assert (error != mean_image).all()
