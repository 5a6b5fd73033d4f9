"""The convolutional architectures train the same stacked, in a loop, and recorded, through a gradient penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from ganbench import Objective, Source, plan, registry, suite
from ganbench.api.trials import Mode
from ganbench.engine import step, train
from ganbench.engine.program import Program
from ganbench.engine.replay import RecordedLoop, RecordedStep
from ganbench.engine.snapshot import Snapshot

from ganbench_plugins.architectures import autoencoder, dcgan, resnet, six_architectures
from ganbench_plugins.losses import boundary_equilibrium, energy_based, kernel_distances
from tests.support import device as where
from tests.support.image_networks import SIX_NAMES, TINY
from tests.support.small_games import make_training

STEPS = 4
"""Recorded steps: one is called, one recorded, one compared with a call, one replayed."""

PARTS: dict[str, list[Any]] = {
    "generator": ["equalised", "pixel-norm", {"name": "virtual-batch-norm", "rows": 4}],
    "critic": ["equalised", {"name": "minibatch-discrimination", "kernels": 3, "width": 2}, "minibatch-stddev"],
}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("dcgan", TINY["dcgan"]),
    *(
        ("random-dcgan", {"activations": [name], "depths": [4], "filters": [4], "normalised": [True]})
        for name in ("leaky-relu", "softplus-shifted")
    ),
    ("resnet-wgan-gp", TINY["resnet-wgan-gp"]),
    ("resnet-sngan", TINY["resnet-sngan"]),
    *(("six-architectures", {**TINY["six-architectures"], "layers": 8, "architectures": [name]}) for name in SIX_NAMES),
    ("autoencoder", TINY["autoencoder"]),
    ("dcgan", {**TINY["dcgan"], "generator_parts": [*PARTS["generator"], "maxout"], "critic_parts": PARTS["critic"]}),
    ("resnet-sngan", {**TINY["resnet-sngan"], **{f"{player}_parts": PARTS[player] for player in PARTS}}),
]
RECORDED = [CASES[i] for i in (2, 3, 8, 10, 11, 12)]
"""Cases with every kind of layer; a recording takes seconds."""


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load(plugins=[autoencoder, dcgan, resnet, six_architectures])


def run(
    plugins: registry.Registry, space: str, options: Any, method: Any, mode: Mode, recorded: bool
) -> tuple[Snapshot, list[step.Game]]:
    """Train two seeds on the digits in float64; return the last snapshot and the games."""
    table = {
        "question": "Are both forms the same?",
        "seeds": 2,
        "method": [{"name": "one", **method}],
        "budget": {"generator_steps": STEPS, "batch_size": 4, "snapshots": 1},
        "architectures": {"space": space, "options": options},
        "dataset": [{"name": "digits"}],
        "measurement": {"samples": 2000},
    }
    (batch,) = plan.make(suite.parse(table), plugins).batches
    training = train.prepare(replace(batch, mode=mode), plugins, torch.device(where.DEVICE), torch.float64)
    assert training.recordable
    training.recordable = recorded
    games: list[step.Game] = []
    open_game = training.open_game
    training.open_game = lambda *given: games.append(open_game(*given)) or games[-1]  # type: ignore[method-assign]
    *_, last = training.run()
    return last, games


def list_weights(last: Snapshot) -> dict[str, torch.Tensor]:
    """Return the trained weights of both players, finite."""
    weights = {f"g.{name}": value for name, value in last.generators.items()}
    weights |= {f"d.{name}": value for name, value in last.ensemble.detached["critic"].items()}
    assert all(value.isfinite().all() for value in weights.values())
    return weights


@pytest.mark.parametrize("critic_norm", ["layer", "batch"])
@pytest.mark.parametrize(("space", "options"), CASES, ids=str)
def test_both_forms_agree_through_a_gradient_penalty(
    plugins: registry.Registry, space: str, options: Any, critic_norm: str
) -> None:
    method = {"from": "wgan-gp", "critic_steps": 1, "critic_norm": critic_norm}
    runs = (run(plugins, space, options, method, mode, recorded=False) for mode in ("stack", "loop"))
    stack, loop = (list_weights(last) for last, _ in runs)
    for name, value in stack.items():
        torch.testing.assert_close(value, loop[name], rtol=1e-7, atol=1e-7, msg=name)


@pytest.mark.parametrize(
    ("space", "options", "mode"),
    [*((*case, "stack") for case in RECORDED), (*CASES[1], "loop")],
    ids=str,
)
def test_recorded_steps_have_the_bits_of_called_ones(
    plugins: registry.Registry, space: str, options: Any, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "RECORD_FROM", STEPS)
    method = {"from": "wgan-gp", "critic_steps": 1}
    called, _ = run(plugins, space, options, method, mode, recorded=False)
    replayed, (game,) = run(plugins, space, options, method, mode, recorded=True)
    assert game.gradient_functions
    for function in game.gradient_functions.values():
        assert isinstance(function, RecordedStep | RecordedLoop)
        assert function.recorded
    expected = list_weights(called)
    for name, value in list_weights(replayed).items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("objective", [boundary_equilibrium.build, energy_based.build, kernel_distances.build_mmd_gan])
def test_losses_on_reconstructions_and_features_train_an_autoencoder(objective: Callable[[], Objective]) -> None:
    """BEGAN's state, EBGAN's margin and MMD GAN's kernel read the answers by the names of `Networks`."""
    samples = torch.randn(40, 2, 16, 16, generator=torch.Generator().manual_seed(0)).tanh()
    source = Source(shape=(2, 16, 16), size=40, take=lambda i: samples[i], reference=lambda n: samples[:n])
    space = autoencoder.build(filters=3, code=5, latent=4)
    program = Program(objective=objective())
    stack, loop = (
        list_weights(list(make_training(program, space, source, mode=mode, steps=STEPS).run())[-1])
        for mode in ("stack", "loop")
    )
    for name, value in stack.items():
        torch.testing.assert_close(value, loop[name], rtol=1e-7, atol=1e-7, msg=name)
