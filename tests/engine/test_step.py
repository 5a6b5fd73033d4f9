"""A generator's loss that reads the missing real scores, or a loss of two numbers, is told the way out.

Other errors keep their own words.
"""

from __future__ import annotations

import pytest
import torch
from ganbench import Constraint, GanbenchError, Objective
from ganbench.engine.program import Link, Program
from torch.nn.functional import relu, softplus

from tests.support.small_games import W, make_training, mlp, ring

UNPAIRED = {
    "a method of None": lambda real, fake: real.mean() - fake.mean(),
    "a difference": lambda real, fake: (fake - real).mean(),
    "a sign": lambda real, fake: softplus(-real).mean(),
    "a function of torch": lambda real, fake: relu(real).mean(),
    "an index": lambda real, fake: (fake - real[0]).mean(),
    "a concatenation": lambda real, fake: torch.cat([real, fake]).mean(),
}


def train(generator, mode="stack", **options) -> None:
    program = Program(objective=Objective(W.critic if "init" not in options else keep_state, generator, **options))
    list(make_training(program, mlp(), ring(), mode=mode, steps=1).run())


def keep_state(real, fake, state):
    return fake.mean() - real.mean(), state


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize("case", UNPAIRED)
def test_a_generators_loss_that_uses_the_missing_real_scores_is_told_the_way_out(case: str, mode: str) -> None:
    words = r"reads `real` in generator\(real, fake\), where it is None \(test_step\.py, line \d+: .*Set paired=True"
    with pytest.raises(GanbenchError, match=words):
        train(UNPAIRED[case], mode)
    train(UNPAIRED[case], mode, paired=True)


def test_a_loss_with_a_state_is_told_too() -> None:
    with pytest.raises(GanbenchError, match="Set paired=True"):
        train(lambda real, fake, state: (real.mean(), state), init=lambda: {"k": torch.zeros(())})


@pytest.mark.parametrize(
    ("generator", "options", "words"),
    [
        (lambda real, fake: fake + "a", {}, "unsupported operand"),
        (lambda real, fake: fake.no_such_method(), {}, "no_such_method"),
        (lambda real, fake: None.missing, {"paired": True}, "'NoneType' object has no attribute 'missing'"),
        (lambda real, fake, state: None, {"init": lambda: {"k": torch.zeros(())}}, "cannot unpack non-iterable"),
    ],
)
def test_any_other_mistake_keeps_its_own_words(generator, options, words) -> None:
    with pytest.raises((TypeError, AttributeError), match=words):
        train(generator, **options)


def critic_of_two(real, fake):
    return torch.stack([softplus(-real).mean(), softplus(fake).mean()])


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize(
    ("critic", "shape"),
    [(critic_of_two, r"\(2,\)"), (lambda real, fake: fake, r"\(\d+,\)"), (lambda *s: critic_of_two(*s)[:1], r"\(1,\)")],
)
def test_a_loss_that_is_not_one_number_fails_by_its_name(critic, shape: str, mode: str) -> None:
    program = Program(objective=Objective(critic, W.generator), loss_name="loss 'two'")
    with pytest.raises(GanbenchError, match=rf"^loss 'two': for the critic it returned a tensor of shape {shape}"):
        list(make_training(program, mlp(), ring(), mode=mode, steps=1).run())


@pytest.mark.parametrize("mode", ["stack", "loop"])
def test_a_term_that_is_not_one_number_fails_by_its_name_and_a_constant_is_one(mode: str) -> None:
    def train_with(term) -> None:
        link = Link("mine", 1.0, Constraint(critic=term))
        program = Program(objective=W, constraints=(link,))
        list(make_training(program, mlp(), ring(), mode=mode, steps=1).run())

    with pytest.raises(GanbenchError, match=r"^'mine': for the critic it returned a tensor of shape \(\d+,\)"):
        train_with(lambda play: play.scores_real)
    with pytest.raises(GanbenchError, match=r"^'mine': for the critic it returned None"):
        train_with(lambda play: None)
    train_with(lambda play: 0.5)


@pytest.mark.parametrize("mode", ["stack", "loop"])
@pytest.mark.parametrize("player", ["critic", "generator"])
@pytest.mark.parametrize(
    ("spoil", "words"), [(torch.Tensor.detach, "has no gradient"), (lambda loss: loss * 1j, "is a complex number")]
)
def test_a_loss_without_a_gradient_is_named_with_its_player(spoil, words: str, player: str, mode: str) -> None:
    functions = {"critic": W.critic, "generator": W.generator}
    constant = {player: lambda real, fake: spoil(functions[player](real, fake))}
    program = Program(objective=Objective(**{**functions, **constant}), loss_name="loss 'flat'")
    with pytest.raises(GanbenchError, match=f"^loss 'flat': the {player}'s loss {words}"):
        list(make_training(program, mlp(), ring(), mode=mode, steps=1).run())
