"""Contract rules for networks that grow: stages with shares, real samples of their size, and layers that fade in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganbench.api.models import Networks
from ganbench.testing.architecture_case import (
    BATCH_SIZE,
    Case,
    build_stages,
    collect_answers,
    list_players,
    make_inputs,
)
from ganbench.testing.purity import largest_difference, require_no_global_random
from ganbench.testing.rule import require, rule

CLOSE = 1e-5
"""Relative tolerance in float32: means of pixels add up in another order."""


def grows(case: Case) -> bool:
    """Return whether the networks have several stages."""
    return len(build_stages(case.space, case.specs[0], case.ask)) > 1


def list_stages(case: Case) -> tuple[Networks, ...]:
    """Return the stages of the first spec."""
    return build_stages(case.space, case.specs[0], case.ask)


def find_progress(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers that the engine sets to the progress of the stage."""
    return ((name, buffer) for name, buffer in net.named_buffers() if name.rsplit(".", 1)[-1] == "progress")


def set_progress(networks: Networks, progress: float) -> None:
    """Set the progress of a stage, as the engine does."""
    for net in list_players(networks):
        for _, buffer in find_progress(net):
            buffer.fill_(progress)


@rule(grows)
def has_a_share_of_the_steps_for_each_stage(case: Case) -> None:
    """Has a share of the steps for each stage, and buffers `progress` that hold a number between 0 and 1."""
    for number, networks in enumerate(list_stages(case), start=1):
        share = networks.share
        require(
            isinstance(share, int | float) and math.isfinite(share) and share > 0,
            f"stage {number} has share = {share}: give a positive number, relative to the other stages.",
        )
        for net in list_players(networks):
            for name, buffer in find_progress(net):
                require(
                    buffer.is_floating_point() and buffer.ndim == 0,
                    f"the buffer {name!r} of stage {number} is {list(buffer.shape)} {buffer.dtype}, and the engine "
                    "writes a number between 0 and 1 into it: register torch.zeros(()).",
                )


@rule(lambda case: any(networks.prepare for networks in list_stages(case)))
def prepares_real_samples_for_each_stage(case: Case) -> None:
    """Prepares each real sample on its own, without chance, to one shape; the last stage ends with the data itself."""
    x = torch.randn(BATCH_SIZE, *case.ask.shape, generator=torch.Generator().manual_seed(2))
    stages = list_stages(case)
    for number, networks in enumerate(stages, start=1):
        prepare, place = networks.prepare, f"`prepare` of stage {number}"
        if prepare is None:
            continue
        with require_no_global_random("use no random numbers in `prepare`"):
            start, half, end = (prepare(x, torch.tensor(progress)) for progress in (0.0, 0.5, 1.0))
        shapes = {tuple(made.shape) for made in (start, half, end)}
        require(len(shapes) == 1, f"{place} returns the shapes {sorted(shapes)}: return one, whatever the progress.")
        alone = torch.cat([prepare(row, torch.tensor(0.5)) for row in x.split(1)])
        require(
            largest_difference([alone], [half]) <= CLOSE,
            f"{place} makes another sample of a row alone than of the same row in a batch: treat each row on its own.",
        )
        require(
            number < len(stages) or (end.shape == x.shape and largest_difference([end], [x]) <= CLOSE),
            f"{place}, the last one, changes real samples at progress 1: return x there, because its samples are "
            "compared with the data.",
        )


@rule(grows)
def begins_each_stage_where_the_one_before_ended(case: Case) -> None:
    """Begins a stage that fades in as the one before ended: samples enlarged, with their scores, and real samples."""
    way_out = "let what is new fade in from nothing, by torch.lerp and the buffer `progress`."
    x = torch.randn(BATCH_SIZE, *case.ask.shape, generator=torch.Generator().manual_seed(2))
    for number, (before, after) in enumerate(pairwise(list_stages(case)), start=2):
        place = f"at progress 0 of stage {number}"
        for old, new in zip(list_players(before), list_players(after), strict=True):
            new.load_state_dict(dict(old.named_parameters()), strict=False)
        set_progress(before, 1.0)
        set_progress(after, 0.0)
        z, labels = make_inputs(before, case.ask)
        with torch.no_grad():
            small, large = before.generator(z, *labels), after.generator(z, *labels)
            if any(find_progress(after.generator)):
                same = is_enlarged(small, large)
                require(same, f"{place} the generator's samples are not those of the stage before, enlarged: {way_out}")
                if before.prepare is not None and after.prepare is not None:
                    same = is_enlarged(before.prepare(x, torch.ones(())), after.prepare(x, torch.zeros(())))
                    require(same, f"{place} real samples are not those of the stage before, enlarged: {way_out}")
            if before.critic is None or after.critic is None or not any(find_progress(after.critic)):
                continue
            labels = labels if before.conditional is True else ()
            scores = collect_answers(before.critic, small, *labels)
            enlarged = collect_answers(after.critic, enlarge(small, large.shape), *labels)
            require(
                all(largest_difference([scores[name]], [enlarged[name]]) <= CLOSE for name in scores),
                f"{place} the critic's answers to enlarged samples are not those of the stage before: {way_out}",
            )


def enlarge(small: Tensor, shape: torch.Size) -> Tensor:
    """Return samples of this shape, each number of which is that of the nearest of the small ones."""
    for axis in range(1, small.ndim):
        small = small.repeat_interleave(max(1, shape[axis] // small.shape[axis]), axis)
    return small


def is_enlarged(small: Tensor, large: Tensor) -> bool:
    """Return whether the large samples are the small ones, enlarged to the nearest numbers."""
    expected = enlarge(small, large.shape)
    return expected.shape == large.shape and largest_difference([expected], [large]) <= CLOSE


RULES = (
    has_a_share_of_the_steps_for_each_stage,
    prepares_real_samples_for_each_stage,
    begins_each_stage_where_the_one_before_ended,
)
