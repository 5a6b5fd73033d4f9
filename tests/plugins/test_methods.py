"""The methods have the papers' settings, and name only offers that exist."""

from __future__ import annotations

import inspect
from importlib import import_module, metadata
from itertools import chain

import pytest
from ganbench import Method, Offer, Use

from ganbench_plugins.methods import dragan, goodfellow, infogan, lsgan, pacgan, sngan, stylegan2, wgan

MODULES = (goodfellow, lsgan, wgan, sngan, dragan, stylegan2, pacgan, infogan)
METHODS = {offer.name: offer for offer in chain.from_iterable(module.ganbench_methods() for module in MODULES)}


def load_offers(kind: str) -> dict[str, Offer]:
    """Return every offer of a kind among our own entry points, by name."""
    entries = metadata.entry_points(group="ganbench")
    modules = [import_module(entry.value) for entry in entries if entry.value.startswith(f"ganbench_plugins.{kind}.")]
    return {offer.name: offer for module in modules for offer in getattr(module, f"ganbench_{kind}")()}


def list_uses(method: Method) -> list[tuple[str, Use]]:
    """Return every use of an offer in a method, with the kind of the offer."""
    parts = [("losses", method.loss), ("dynamics", method.dynamics)]
    parts += [("constraints", part) for part in method.constraints] + [("inputs", part) for part in method.inputs]
    parts += [("optimizers", part) for part in (method.optimizer, method.critic_optimizer, method.generator_optimizer)]
    return [(kind, part) for kind, part in parts if part is not None]


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_names_offers_and_options_that_exist(name: str) -> None:
    for kind, use in list_uses(METHODS[name].build()):
        offer = load_offers(kind)[use.name]
        assert use.options.keys() <= inspect.signature(offer.build).parameters.keys()
        assert offer.build(**use.options) is not None


@pytest.mark.parametrize(
    ("name", "loss", "optimizer", "rates", "steps"),
    [
        ("gan", "minimax", "adam", (2e-4, 0.5, 0.999), 1),
        ("ns-gan", "non-saturating", "adam", (2e-4, 0.5, 0.999), 1),
        ("lsgan", "least-squares", "adam", (1e-3, 0.5, 0.999), 1),
        ("wgan-gp", "wasserstein", "adam", (1e-4, 0.0, 0.9), 5),
        ("hinge-sn", "hinge", "adam", (2e-4, 0.0, 0.9), 5),
        ("pacgan-2", "non-saturating", "adam", (1e-4, 0.8, 0.999), 1),
        ("pacgan-3", "non-saturating", "adam", (1e-4, 0.8, 0.999), 1),
        ("pacgan-4", "non-saturating", "adam", (1e-4, 0.8, 0.999), 1),
        ("sngan", "non-saturating", "adam", (2e-4, 0.5, 0.999), 5),
        ("dcgan", "non-saturating", "adam", (2e-4, 0.5, 0.999), 1),
        ("dragan", "non-saturating", "adam", (2e-4, 0.5, 0.999), 1),
        ("wgan-lp", "wasserstein", "adam", (1e-4, 0.0, 0.9), 5),
        ("wgan-gp-one-sided", "wasserstein", "adam", (1e-4, 0.0, 0.9), 5),
        ("stylegan2", "non-saturating", "adam", (2e-3, 0.0, 0.99), 1),
    ],
)
def test_a_recipe_has_its_papers_loss_adam_and_critic_steps(name, loss, optimizer, rates, steps) -> None:
    method = METHODS[name].build()
    assert (method.loss.name, method.optimizer.name, method.critic_steps) == (loss, optimizer, steps)
    assert tuple(method.optimizer.options[key] for key in ("lr", "beta1", "beta2")) == rates


def test_wgan_clips_at_a_hundredth_with_rmsprop_and_the_authors_critic_steps() -> None:
    """100 critic steps in the first 25 generator steps and at every 500th, else 5; RMSProp's alpha is torch's."""
    method = METHODS["wgan"].build()
    assert method.constraints == (Use("weight-clipping", bound=0.01),)
    assert method.optimizer == Use("rmsprop", lr=5e-5)
    assert inspect.signature(load_offers("optimizers")["rmsprop"].build).parameters["alpha"].default == 0.99
    assert method.critic_steps == {"steps": [[25, 100], ["inf", 5]], "every": [500, 100]}


def test_wgan_gp_penalises_with_weight_10_and_normalises_by_layer() -> None:
    method = METHODS["wgan-gp"].build()
    assert method.constraints == (Use("gradient-penalty", weight=10.0),)
    assert method.critic_norm == "layer"


def test_pacgan_packs_as_many_samples_as_its_name_says() -> None:
    for m in (2, 3, 4):
        assert METHODS[f"pacgan-{m}"].build().inputs == (Use("packing", m=m),)


def test_infogan_has_the_authors_codes_and_learning_rates_for_mnist() -> None:
    """Ten classes, two codes on [-1, 1] with a std of 1, lambda 1; lr 2e-4 for the critic, 1e-3 for the generator."""
    method = METHODS["infogan"].build()
    assert method.loss == Use("non-saturating")
    assert method.inputs == (Use("infogan", weight=1.0, categories=10, continuous=2, fixed_std=True),)
    assert method.critic_optimizer == Use("adam", lr=2e-4, beta1=0.5, beta2=0.999)
    assert method.generator_optimizer == Use("adam", lr=1e-3, beta1=0.5, beta2=0.999)


def test_only_critics_whose_slope_is_unbounded_or_clipped_may_be_normalised_by_batch() -> None:
    by_batch = {name for name, offer in METHODS.items() if offer.build().critic_norm == "batch"}
    assert by_batch == {"gan", "ns-gan", "lsgan", "wgan", "dcgan", "unrolled-gan", "infogan"}


@pytest.mark.parametrize(("name", "weight"), [("wgan-gp-one-sided", 10.0), ("wgan-lp", 5.0)])
def test_one_sided_penalties_have_their_papers_weights(name: str, weight: float) -> None:
    assert METHODS[name].build().constraints == (Use("gradient-penalty", weight=weight, sides="one"),)


def test_dragan_penalises_with_weight_10_and_the_noise_of_the_code() -> None:
    assert METHODS["dragan"].build().constraints == (Use("dragan", weight=10.0),)


def test_stylegan2_has_lazy_terms_and_an_average_of_10000_images() -> None:
    method = METHODS["stylegan2"].build()
    assert method.constraints == (Use("r1", weight=10.0, every=16), Use("path-length", weight=2.0, every=4))
    assert method.ema ** (10_000 / 32) == pytest.approx(0.5)


def test_unrolled_gan_looks_five_steps_ahead_with_the_demo_s_two_rates() -> None:
    method = METHODS["unrolled-gan"].build()
    assert method.loss == Use("minimax")
    assert (method.dynamics.name, method.dynamics.options["steps"]) == ("unrolled", 5)
    assert (method.critic_optimizer.options["lr"], method.generator_optimizer.options["lr"]) == (1e-4, 1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_cites_its_paper(name: str) -> None:
    assert "arXiv:" in METHODS[name].reference
