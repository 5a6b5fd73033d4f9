"""Contract rules for what a constraint or an input changes: parameters, the critic as a function, samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args, get_type_hints

import torch

from ganbench.api.training import Constraint, Draw, Input
from ganbench.api.trials import Mode
from ganbench.testing.constraints import Case
from ganbench.testing.purity import largest_difference
from ganbench.testing.rule import TOLERANCE, always, require, rule
from ganbench.testing.small_game import NAME, STEPS, train


def has_function(name: str) -> Callable[[Case], bool]:
    """Return the condition that a part has this function."""
    return lambda case: case.has_function(name)


@rule(has_function("project"))
def projects_after_the_step(case: Case) -> None:
    """Returns parameters that a second projection does not move, with their names and shapes."""
    assert isinstance(case.part, Constraint)
    project, game = case.part.project, case.game
    assert project is not None
    large = {name: 100 * weights for name, weights in game.d.items()}
    for at in (0.0, 0.5, 1.0):
        progress = torch.full_like(game.progress, at)
        once = dict(project(large, progress))
        unknown = once.keys() - large.keys()
        require(
            not unknown,
            f"`project` returns the parameters {sorted(unknown)}, which the critic does not have: keep the names.",
        )
        shapes = {name: list(new.shape) for name, new in once.items() if new.shape != large[name].shape}
        require(not shapes, f"`project` changes the shapes to {shapes}: keep the critic's shapes.")
        gap = largest_difference(dict(project({**large, **once}, progress)), once)
        require(gap <= TOLERANCE, f"a second projection moves the parameters by {gap:.2g} more: once must be enough.")
        moved = any(largest_difference(new, large[name]) > 0 for name, new in once.items())
        require(moved, "`project` leaves even parameters of 100 times the usual size unchanged: it does nothing.")


@rule(has_function("project"))
def holds_after_training(case: Case) -> None:
    """Holds for the trained critic, after the last step."""
    assert isinstance(case.part, Constraint)
    assert case.part.project is not None
    mode: Mode = "stack" if case.stackable else "loop"
    trained = train(case.part, case.shape, mode=mode)["critic"]
    weights = {name: stacked[0] for name, stacked in trained.items()}
    last_progress = torch.full_like(case.game.progress, (STEPS - 1) / STEPS)  # of the last step, as it begins
    projected = case.part.project(weights, last_progress)
    gap = max((largest_difference(new, weights[name]) for name, new in projected.items()), default=0.0)
    require(
        gap <= TOLERANCE,
        f"a trained critic is {gap:.2g} outside of what `project` allows: one projection a step must be enough.",
    )


@rule(has_function("reparametrise"))
def reparametrises_every_parameter(case: Case) -> None:
    """Returns every parameter of the critic, by name and shape, and is differentiable."""
    assert isinstance(case.part, Constraint)
    assert case.part.reparametrise is not None
    game = case.game.require_gradients()
    if case.part.init is not None:
        new, _ = case.part.reparametrise(game.d, game.state[NAME])
    else:
        new = case.part.reparametrise(game.d)
    require(
        new.keys() == game.d.keys(),
        f"`reparametrise` returns {sorted(new)}, and the critic has {sorted(game.d)}: return the other ones as "
        "they are.",
    )
    for name, weights in game.d.items():
        shape = list(new[name].shape)
        require(
            shape == list(weights.shape),
            f"`reparametrise` returns {name!r} as {shape}, and the critic has {list(weights.shape)}: keep its shape.",
        )
    slopes = torch.autograd.grad(game.loss("critic"), list(game.d.values()), allow_unused=True)
    without = [name for name, slope in zip(game.d, slopes, strict=True) if slope is None]
    detached = [name for name in without if not name.startswith("decoder")]  # no loss reads the decoder
    require(not detached, f"the parameters {detached} have no gradient through `reparametrise`: do not detach them.")


@rule(has_function("wrap"), vital=always)
def wraps_a_critic_as_a_critic(case: Case) -> None:
    """Turns a critic into another critic: one score for each sample, with a gradient in the parameters."""
    assert isinstance(case.part, Constraint)
    assert case.part.wrap is not None
    real = case.game.inputs["critic"]["real"]
    scores = case.part.wrap(lambda x: x.flatten(1).square().sum(1))(real)
    require(
        scores.shape == (len(real),),
        f"the wrapped critic returns {list(scores.shape)} for {len(real)} samples: return one score for each.",
    )
    game = case.game.require_gradients()
    slopes = torch.autograd.grad(game.loss("critic"), list(game.d.values()), allow_unused=True)
    require(
        any(slope is not None for slope in slopes),
        "the wrapped critic has no gradient in its parameters: a tensor is detached.",
    )


@rule(has_function("view"), vital=always)
def views_keep_their_form(case: Case) -> None:
    """Returns samples of the same shape and dtype as it receives."""
    assert isinstance(case.part, Input)
    assert case.part.view is not None
    inputs = case.game.inputs["critic"]
    for at in (0.0, 0.5, 1.0):
        progress = torch.full_like(case.game.progress, at)
        real = inputs["real"]
        view = case.part.view(real, inputs["views"][NAME]["real"], progress)
        require(
            view.shape == real.shape and view.dtype == real.dtype,
            f"`view` turns {real.dtype} {list(real.shape)} into {view.dtype} {list(view.shape)}: keep shape and dtype.",
        )
        require(bool(view.isfinite().all()), "`view` turns finite samples into non-finite ones.")


@rule(has_function("view"))
def views_pass_the_gradient(case: Case) -> None:
    """Passes the generator's gradient on: a view is differentiable in the samples."""
    game = case.game.require_gradients()
    loss = game.loss("generator")
    slopes = torch.autograd.grad(loss, list(game.g.values()), allow_unused=True) if loss.requires_grad else ()
    require(
        any(slope is not None and bool(slope.abs().sum() > 0) for slope in slopes),
        "the generator has no gradient through `view`, so it learns nothing: do not detach, round or index by samples.",
    )


@rule()
def asks_for_what_exists(case: Case) -> None:
    """Asks for draws of known laws, for whole packs of samples, and for heads of a width."""
    laws = get_args(get_type_hints(Draw)["law"])
    part, codes = case.part, case.part.latent if isinstance(case.part, Input) else {}
    for name, draw in {**part.draws, **codes}.items():
        require(draw.law in laws, f"the draw {name!r} has the law {draw.law!r}. Known: {', '.join(laws)}.")
    if isinstance(part, Input):
        whole = isinstance(part.pack, int) and part.pack >= 1
        require(whole, f"pack = {part.pack!r}: give the integer number of samples in one pack.")


CONSTRAINT_RULES = (
    asks_for_what_exists,
    projects_after_the_step,
    holds_after_training,
    reparametrises_every_parameter,
    wraps_a_critic_as_a_critic,
)
INPUT_RULES = (asks_for_what_exists, views_keep_their_form, views_pass_the_gradient)
