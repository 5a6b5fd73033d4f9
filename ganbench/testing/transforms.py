"""The rules for what a constraint or an input changes: parameters, the critic as a function, samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ganbench.api.training import Constraint, Input
from ganbench.testing.constraints import Case
from ganbench.testing.purity import largest_difference
from ganbench.testing.rule import TOLERANCE, require, rule
from ganbench.testing.small_game import NAME, train


def has(name: str) -> Callable[[Case], bool]:
    """Give the condition that a part has this function."""
    return lambda case: case.acts(name)


@rule(has("project"))
def projects_after_the_step(case: Case) -> None:
    """Gives parameters that already hold what it projects onto, under their names and shapes."""
    assert isinstance(case.part, Constraint)
    project, scene = case.part.project, case.scene
    assert project is not None
    large = {name: 100 * weights for name, weights in scene.d.items()}
    for at in (0.0, 0.5, 1.0):
        progress = torch.full_like(scene.progress, at)
        once = dict(project(large, progress))
        strange = once.keys() - large.keys()
        require(not strange, f"`project` gives the parameters {sorted(strange)}, which the critic does not have.")
        forms = {name: list(new.shape) for name, new in once.items() if new.shape != large[name].shape}
        require(not forms, f"`project` changes the shapes of {forms}.")
        gap = largest_difference(dict(project({**large, **once}, progress)), once)
        require(gap <= TOLERANCE, f"projecting twice moves the parameters by {gap:.2g} more: once must be enough.")
        moved = any(largest_difference(new, large[name]) > 0 for name, new in once.items())
        require(moved, "`project` leaves even parameters of 100 times the usual size alone: it does nothing.")


@rule(has("project"))
def holds_after_training(case: Case) -> None:
    """Holds for the critic that training leaves behind, after its last step."""
    assert isinstance(case.part, Constraint)
    assert case.part.project is not None
    modes: Any = "stack" if case.stackable else "loop"
    trained = train(case.part, case.shape, mode=modes)["critic"]
    own = {name: weights[0] for name, weights in trained.items()}
    # the last step of a run of so many is taken before its end
    kept = case.part.project(own, torch.full_like(case.scene.progress, 2 / 3))
    gap = max((largest_difference(new, own[name]) for name, new in kept.items()), default=0.0)
    require(gap <= TOLERANCE, f"a trained critic is {gap:.2g} outside of what `project` allows.")


@rule(has("reparametrise"))
def reparametrises_in_form(case: Case) -> None:
    """Gives the critic the parameters it has, by name and shape, differentiably."""
    assert isinstance(case.part, Constraint)
    assert case.part.reparametrise is not None
    scene = case.scene.free()
    given = (scene.d, scene.state[NAME]) if case.part.init is not None else (scene.d,)
    made = case.part.reparametrise(*given)
    new = made[0] if case.part.init is not None else made
    require(
        new.keys() == scene.d.keys(),
        f"`reparametrise` gives {sorted(new)}, and the critic has {sorted(scene.d)}: pass the others on as they are.",
    )
    for name, weights in scene.d.items():
        shape = list(new[name].shape)
        require(
            shape == list(weights.shape), f"`reparametrise` makes {name!r} {shape}, and it is {list(weights.shape)}."
        )
    slopes = torch.autograd.grad(scene.loss("critic"), list(scene.d.values()), allow_unused=True)
    dead = [name for name, slope in zip(scene.d, slopes, strict=True) if slope is None]
    used = [name for name in dead if not name.startswith("decoder")]
    require(not used, f"the parameters {used} have no gradient through `reparametrise`: something is detached.")


@rule(has("wrap"))
def wraps_a_critic_in_form(case: Case) -> None:
    """Makes of a critic another critic: a score for each sample, with a gradient in the parameters."""
    assert isinstance(case.part, Constraint)
    assert case.part.wrap is not None
    real = case.scene.chance["critic"]["real"]
    scores = case.part.wrap(lambda x: x.flatten(1).square().sum(1))(real)
    require(scores.shape == (len(real),), f"the wrapped critic gives {list(scores.shape)} for {len(real)} samples.")
    scene = case.scene.free()
    slopes = torch.autograd.grad(scene.loss("critic"), list(scene.d.values()), allow_unused=True)
    require(any(slope is not None for slope in slopes), "the wrapped critic has no gradient in its parameters.")


@rule(has("view"))
def views_keep_their_form(case: Case) -> None:
    """Shows samples of the shape and kind that it was given."""
    assert isinstance(case.part, Input)
    assert case.part.view is not None
    drawn = case.scene.chance["critic"]
    for at in (0.0, 0.5, 1.0):
        progress = torch.full_like(case.scene.progress, at)
        shown = case.part.view(drawn["real"], drawn["views"][NAME]["real"], progress)
        require(
            shown.shape == drawn["real"].shape and shown.dtype == drawn["real"].dtype,
            f"`view` makes {shown.dtype} {list(shown.shape)} of {drawn['real'].dtype} {list(drawn['real'].shape)}.",
        )
        require(bool(shown.isfinite().all()), "`view` makes finite samples non-finite.")


CONSTRAINT_RULES = (projects_after_the_step, holds_after_training, reparametrises_in_form, wraps_a_critic_in_form)
INPUT_RULES = (views_keep_their_form,)
