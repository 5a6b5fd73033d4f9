"""Probes of trained networks: closed forms on the Dirac-GAN, at theta = 1.5 and psi = -.5, so r = 0 and f = -.75."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from ganbench import Profile, registry
from ganbench.engine.train import prepare
from ganbench.evaluation.evidence import ModelEvidence, open_evidence
from ganbench.evaluation.reference import Reference

from ganbench_plugins.game_field import open_field
from ganbench_plugins.metrics.critic_gradients import fit_slope
from ganbench_plugins.metrics.game_jacobian import find_eigenvalues, find_sparse_eigenvalues
from tests.support.tiny_suite import plan_small

PLUGINS = registry.load()
BATCH = 16


def open_untrained(method: dict[str, Any], **changes: Any) -> ModelEvidence:
    """Return the evidence of one seed before its first step."""
    table = {"methods": [], "method": [{"name": "mine", **method}], "success": None, "seeds": 1, **changes}
    (batch,) = plan_small(PLUGINS, **table).batches
    training = prepare(batch, PLUGINS, torch.device("cpu"))
    snapshot = training.take_snapshot(1, training.begin_stage(0).game)
    return open_evidence(training, snapshot, 0, training.draw_samples(snapshot, 64)[0], Reference(training.source, 64))


def open_dirac(method: dict[str, Any], theta: float = 1.5, psi: float = -0.5) -> ModelEvidence:
    return open_untrained(
        method,
        architectures={"space": "linear", "options": {"theta": theta, "psi": psi}},
        dataset=[{"name": "dirac"}],
        measurement={"samples": 2},
    )


def measure(name: str, evidence: ModelEvidence, **options: Any) -> dict[str, Any]:
    metric = PLUGINS.build("metrics", name, options)
    evidence.focus(metric)
    return dict(metric.measure(evidence))


def sigmoid(t: float) -> float:
    return 1 / (1 + math.exp(-t))


def softplus(t: float) -> float:
    return math.log1p(math.exp(t))


def test_the_critics_losses_and_estimates() -> None:
    """Loss sp(0) + sp(-.75); E r - E f = .75; log 2 - loss / 2. The penalty is in none of them."""
    values = measure("critic-losses", open_dirac({"from": "gan", "constraints": [{"name": "r1", "weight": 0.3}]}))
    loss = softplus(0) + softplus(-0.75)
    for ending in ("", "-held-out"):
        assert values[f"critic-loss{ending}"] == pytest.approx(loss, rel=1e-6)
        assert values[f"em-estimate{ending}"] == pytest.approx(0.75, rel=1e-6)
        assert values[f"js-estimate{ending}"] == pytest.approx(math.log(2) - loss / 2, rel=1e-5)


def test_a_loss_without_scores_has_a_loss_and_no_estimates() -> None:
    values = measure("critic-losses", open_untrained({"from": "cramer-gan", "constraints": []}))
    assert math.isfinite(values["critic-loss"])
    assert math.isnan(values["em-estimate"])


def test_held_out_data_is_the_reference_and_training_data_is_not() -> None:
    values = measure("critic-losses", open_untrained({"from": "wgan-gp"}, dataset=[{"name": "digits"}]))
    assert values["em-estimate"] != values["em-estimate-held-out"]


def test_the_gradients_of_three_losses_at_one_critic() -> None:
    """|psi| s(f) for the minimax loss, |psi| s(-f) for the trick, |psi| for Wasserstein; no variance: equal rows."""
    values = measure("generator-gradients", open_dirac({"from": "lsgan"}))
    assert values["saturating-gradient"] == pytest.approx(0.5 * sigmoid(-0.75), rel=1e-6)
    assert values["non-saturating-gradient"] == pytest.approx(0.5 * sigmoid(0.75), rel=1e-6)
    assert values["wasserstein-gradient"] == pytest.approx(0.5, rel=1e-6)
    assert max(value for name, value in values.items() if name.endswith("variance")) < 1e-12


def test_the_variance_is_that_of_the_whole_gradient_over_batches() -> None:
    """Of batches of n, the variance of a mean falls as 1 / n: four times the rows, a quarter of the variance."""
    small, large = (
        measure(
            "generator-gradients",
            open_untrained({"from": "ns-gan"}, budget={"generator_steps": 4, "batch_size": rows, "snapshots": 2}),
            batches=64,
        )["wasserstein-gradient-variance"]
        for rows in (16, 64)
    )
    assert small / large == pytest.approx(4, rel=0.5)


def test_the_gradient_at_the_last_layer_is_that_of_two_means() -> None:
    """The Wasserstein loss is a difference of means over n rows: 2n slopes of 1/n, of norm sqrt(2 / n)."""
    values = measure("critic-gradients", open_untrained({"from": "wgan", "critic_norm": "layer"}))
    profile = values["critic-gradient-by-layer"]
    assert isinstance(profile, Profile)
    assert list(profile.x) == [1, 2, 3, 4]  # three hidden layers and the last
    assert profile.values[-1] == pytest.approx(math.sqrt(2 / BATCH), rel=1e-6)
    assert values["critic-gradient-slope"] == pytest.approx(fit_slope(profile.values))


def test_the_slope_is_in_decades_per_layer_backwards() -> None:
    assert fit_slope([1.0, 10.0, 100.0]) == pytest.approx(-1.0)
    assert fit_slope([8.0, 4.0, 2.0, 1.0]) == pytest.approx(math.log10(2))
    assert math.isnan(fit_slope([1.0, 0.0]))
    assert math.isnan(fit_slope([1.0]))


def test_the_share_at_the_bound_and_the_histogram() -> None:
    evidence = open_untrained({"from": "wgan"})
    all_weights = torch.cat([w.flatten() for w in evidence.critic_parameters.values() if w.ndim > 1])
    median = float(all_weights.abs().median())
    values = measure("clipped-weights", evidence, bound=median / 0.99, bins=8)
    assert values["weights-at-bound"] == pytest.approx(0.5, abs=2 / len(all_weights))
    histogram = values["weight-histogram"]
    assert sum(histogram.values) == pytest.approx(1.0)
    assert histogram.x[0] == pytest.approx(-histogram.x[-1])
    assert measure("clipped-weights", evidence, bound=1e9)["weights-at-bound"] == 0.0


def test_a_linear_critic_has_one_slope_everywhere() -> None:
    values = measure("critic-slopes", open_dirac({"from": "wgan-gp"}))
    for place in ("real", "fake", "between"):
        assert values[f"gradient-norm-{place}"] == pytest.approx(0.5, rel=1e-6)
    assert values["max-gradient-norm"] == pytest.approx(0.5, rel=1e-6)
    assert values["em-per-slope"] == pytest.approx(1.5, rel=1e-6)  # W1 of the points 0 and 1.5
    assert math.isnan(values["spectral-product"])  # the critic is no chain of linear layers


def test_a_flat_critic_has_no_distance_per_slope() -> None:
    assert math.isnan(measure("critic-slopes", open_dirac({"from": "wgan-gp"}, psi=0.0))["em-per-slope"])


def test_the_product_of_spectral_norms_bounds_the_largest_slope() -> None:
    options = {"generator_width": 8, "critic_width": 8, "critic_normalised": False}
    evidence = open_untrained({"from": "wgan"}, architectures={"space": "mlp", "options": options})
    values = measure("critic-slopes", evidence)
    product = math.prod(
        float(torch.linalg.svdvals(weights.double())[0])
        for weights in evidence.critic_parameters.values()
        if weights.ndim > 1
    )
    assert values["spectral-product"] == pytest.approx(product, rel=1e-6)
    assert 0 < values["max-gradient-norm"] <= product


@pytest.mark.parametrize(
    ("method", "real", "imaginary"),
    [
        ({"from": "gan"}, 0.0, 0.5),
        ({"from": "ns-gan"}, 0.0, 0.5),
        ({"from": "wgan"}, 0.0, 1.0),
        ({"from": "gan", "constraints": [{"name": "r1", "weight": 0.3}]}, -0.15, math.sqrt(0.25 - 0.15**2)),
        ({"from": "gan", "constraints": [{"name": "r1", "weight": 1.0}]}, -0.5, 0.0),
    ],
)
def test_the_eigenvalues_of_the_dirac_gan_at_its_equilibrium(
    method: dict[str, Any], real: float, imaginary: float
) -> None:
    """Mescheder et al. 2018, section 2: +-i f'(0) = +-i / 2, +-i for WGAN, and -g/2 +- sqrt(g^2/4 - 1/4) with R1."""
    values = measure("game-jacobian", open_dirac(method, theta=0.0, psi=0.0))
    assert values["largest-real-part"] == pytest.approx(real, abs=2e-3)
    assert values["largest-imaginary-part"] == pytest.approx(imaginary, abs=2e-3)
    if imaginary and not real:
        assert values["rotation"] == pytest.approx(1.0)


def test_products_with_vectors_find_the_eigenvalues_of_the_whole_jacobian() -> None:
    options = {"generator_width": 4, "critic_width": 4, "generator_depth": 1, "critic_depth": 1}
    smooth = {**options, "critic_activation": "tanh", "generator_activation": "tanh", "latent": 2}
    evidence = open_untrained({"from": "ns-gan"}, architectures={"space": "mlp", "options": smooth})
    field, point = open_field(evidence, 0)
    assert 20 < len(point) <= 64
    dense = find_eigenvalues(field, point, 4)
    sparse = find_sparse_eigenvalues(field, point, 4)
    assert sorted(sparse.abs().tolist()) == pytest.approx(sorted(dense.abs().tolist()), rel=1e-2)
