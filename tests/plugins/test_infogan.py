"""InfoGAN: the bounds on the codes' information in closed form, in training, and without weight."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, Input
from ganbench.engine.program import Link, Program
from ganbench.engine.train import Training
from ganbench.testing.small_game import make_game, make_space
from torch import Tensor

from ganbench_plugins.inputs import infogan
from tests.support.small_games import NS, make_training, ring

(OFFER,) = infogan.ganbench_inputs()
KNOWN_STD = math.log(2) - math.log(2 * math.pi) / 2  # -.2258 for each code on [-1, 1]


def one_hot(classes: list[int], k: int) -> Tensor:
    return torch.eye(k, dtype=torch.float64)[classes]


@pytest.mark.parametrize(
    ("logits", "k", "bound"),
    [
        ([0.0] * 10, 10, 0.0),
        ([1e3] + [0.0] * 9, 10, 2.302585),  # the head is sure, and right
        ([math.log(3), 0.0], 2, math.log(3 / 4) + math.log(2)),
        ([-5.0, 0.0], 2, -5.0 - math.log(1 + math.exp(-5)) + math.log(2)),  # nearly sure, and wrong
    ],
)
def test_the_bound_of_a_class_is_its_log_likelihood_plus_its_entropy(logits: list[float], k: int, bound: float) -> None:
    answer = torch.tensor([logits, logits], dtype=torch.float64)
    assert float(infogan.bound_categorical(answer, one_hot([0, 0], k))) == pytest.approx(bound, abs=1e-6)


@pytest.mark.parametrize(
    ("error", "bound"), [(0.0, 2 * KNOWN_STD), (1.0, 2 * KNOWN_STD - 1.0), (0.5, 2 * KNOWN_STD - 0.25)]
)
def test_the_bound_of_codes_under_a_std_of_1_falls_by_half_the_squared_error(error: float, bound: float) -> None:
    code = torch.tensor([[-1.0, 0.3], [0.7, 1.0]], dtype=torch.float64)
    assert float(infogan.bound_continuous(code + error, code, True)) == pytest.approx(bound, abs=1e-12)
    assert pytest.approx(-0.2258, abs=5e-5) == KNOWN_STD


def test_the_bound_of_a_learned_std_is_the_gaussian_density_and_has_no_upper_limit() -> None:
    code = torch.tensor([[0.5, -0.25]], dtype=torch.float64)
    mean, std = torch.tensor([[0.4, 0.0]], dtype=torch.float64), torch.tensor([[0.1, 2.0]], dtype=torch.float64)
    density = torch.distributions.Normal(mean, std).log_prob(code).sum() + 2 * math.log(2)
    answer = torch.cat([mean, 2 * std.log()], 1)
    assert float(infogan.bound_continuous(answer, code, False)) == pytest.approx(float(density), abs=1e-12)
    sure = torch.cat([code, torch.full_like(code, -40.0)], 1)
    assert float(infogan.bound_continuous(sure, code, False)) == pytest.approx(2 * (KNOWN_STD + 20), abs=1e-12)


@pytest.mark.parametrize("fixed_std", [True, False])
def test_both_players_lose_the_sum_of_the_bounds(fixed_std: bool) -> None:
    """The bounds are computed here from the critic's heads and the codes, those on [0, 1] as codes on [-1, 1]."""
    part: Input = OFFER.build(categories=3, continuous=2, fixed_std=fixed_std)
    assert part.heads == {"categorical": 3, "continuous": 2 if fixed_std else 4}
    game = make_game(part, (2,))
    for player in ("critic", "generator"):
        _, aux = game.loss_and_state(player)
        bounds = aux["state"]["part"]
        assert float(game.term(player)) == pytest.approx(
            -float(bounds["categorical"] + bounds["continuous"]), abs=1e-12
        )
        codes = game.inputs[player]["latent"]
        fake = torch.func.functional_call(game.networks.generator, game.g, (torch.cat(list(codes.values()), 1),))
        assert game.networks.critic is not None
        answers = torch.func.functional_call(game.networks.critic, game.d, (fake,))
        answer, target = answers["continuous"], 2 * codes["continuous"] - 1
        std = torch.ones_like(target) if fixed_std else (answer[:, 2:] / 2).exp()
        density = torch.distributions.Normal(answer[:, :2], std).log_prob(target).sum(1).mean() + 2 * math.log(2)
        likelihood = (answers["categorical"].log_softmax(1) * codes["categorical"]).sum(1).mean() + math.log(3)
        torch.testing.assert_close(bounds["continuous"], density, rtol=0, atol=1e-12)
        torch.testing.assert_close(bounds["categorical"], likelihood, rtol=0, atol=1e-12)


def train(weight: float, mode: str = "stack", steps: int = 120, part: Input | None = None) -> Any:
    def fast_adam(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.02)

    codes = part or OFFER.build(categories=3, continuous=1)
    program = Program(objective=NS, inputs=(Link("infogan", weight, codes),))
    run: Training = make_training(program, make_space(), ring(), mode=mode, steps=steps, optimizer=fast_adam)
    *_, last = run.run()
    return run, last


def test_in_training_the_bounds_rise_towards_their_limits_and_never_exceed_them() -> None:
    """L_I <= H(c) = log 3 for the class, and <= log 2 - log(2 pi) / 2 for a code on [-1, 1] under a std of 1."""
    _, last = train(1.0)
    category, code = last.signals["infogan.categorical"][1], last.signals["infogan.continuous"][1]
    assert category.max() < math.log(3)
    assert code.max() < KNOWN_STD
    assert (category[:, -10:].mean(1) > 0.8 * math.log(3)).all()
    assert (category[:, 0] < 0.3 * math.log(3)).all()
    assert (code[:, -10:].mean(1) > code[:, 0]).all()


def test_the_control_of_weight_0_has_the_codes_and_learns_nothing_of_them() -> None:
    """Its heads keep their first weights, and the generator ends where that of a game with the bare codes ends."""
    run, last = train(0.0, steps=30)
    start = make_training(run.program, make_space(), ring()).ensembles[0].parameters["critic"]
    part = OFFER.build(categories=3, continuous=1)
    for name, weights in last.ensemble.parameters["critic"].items():
        assert torch.equal(weights, start[name]) == name.startswith(("heads.", "decoder.")), name
    _, bare = train(1.0, steps=30, part=Input(latent=part.latent, heads=part.heads))
    for name, weights in last.generators.items():
        torch.testing.assert_close(weights, bare.generators[name], rtol=0, atol=1e-12)


def test_seeds_train_together_as_in_a_loop() -> None:
    (stacked, last), (looped, end) = (train(1.0, mode, steps=6) for mode in ("stack", "loop"))
    torch.testing.assert_close(stacked.draw_samples(last, 20), looped.draw_samples(end, 20), rtol=0, atol=1e-6)
    for name in ("infogan.categorical", "infogan.continuous"):
        torch.testing.assert_close(last.signals[name][1], end.signals[name][1], rtol=0, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("options", [{"categories": 0, "continuous": 0}, {"categories": 1}])
def test_codes_without_anything_to_learn_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(GanbenchError, match=r"no code to learn\. Give 2 categories or more"):
        OFFER.build(**options)


@pytest.mark.parametrize(
    ("options", "names"), [({"continuous": 0}, ["categorical"]), ({"categories": 0}, ["continuous"])]
)
def test_either_kind_of_code_may_be_left_out(options: dict[str, int], names: list[str]) -> None:
    part = OFFER.build(**options)
    assert list(part.latent) == list(part.heads) == list(part.init({}, torch.Generator())) == names
