"""The cost of an update of each player: floating-point operations, and memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import torch

from ganbench.api.data import Source
from ganbench.api.models import Networks
from ganbench.engine.ensemble import Ensemble, build_stages, list_convolutions
from ganbench.engine.flops import Count, FlopCounter
from ganbench.engine.labels import require_labels
from ganbench.engine.program import Program

if TYPE_CHECKING:
    from ganbench.engine.train import Training


PLAYERS = ("critic", "generator")

HELD = 3
"""How many bytes a process holds for one that an update uses: for workspaces of kernels, and freed ones that it keeps.

Measured on some convolutional networks on a CPU: docs/background/images.md says on which.
"""

FORWARD_PASSES, COPIES = 24, 24
"""More than an ordinary update takes; tests/plan/test_composition.py has the shipped methods."""


def count_update_flops(training: Training) -> Mapping[str, float]:
    """Return the mean FLOPs of an update of each player, for one member, before the training has begun.

    It is the mean over the stages, weighted by their share of the steps, and over the cycle of the lazy terms.
    """
    mean_flops = dict.fromkeys(PLAYERS, 0.0)
    total_share = sum(ensemble.networks.share for ensemble in training.ensembles)
    for ensemble, player, count in open_updates(training):
        for due, frequency in due_frequencies(training.program):
            share = ensemble.networks.share / total_share
            mean_flops[player] += share * float(frequency) * count(due).flops
    return mean_flops


def count_member_bytes(training: Training) -> int:
    """Return the memory of one member, before the training has begun: that of its largest stage.

    It is HELD times that of the dearest update, and that of the parameters with their gradients and two moments of an
    optimizer, and of the averaged generator. Plugins' states, data and random numbers are left out.
    """
    everything = frozenset(link.name for link in training.program.terms)
    return max(
        HELD * count(everything).bytes + count_state_bytes(training, ensemble)
        for ensemble, _, count in open_updates(training)
    )


def open_updates(training: Training) -> Iterator[tuple[Ensemble, str, Callable[[frozenset[str]], Count]]]:
    """Yield each stage and player that trains, with the function that counts its update, given the terms then due."""
    for stage, ensemble in enumerate(training.ensembles):
        game, inputs = training.open_game(ensemble, None), training.open_inputs(ensemble.networks, stage)
        for player in PLAYERS:
            if ensemble.parameters[player]:
                yield ensemble, player, partial(game.count, player, step_inputs=inputs[player].next())


def count_state_bytes(training: Training, ensemble: Ensemble) -> int:
    """Return the bytes of a member's parameters, gradients, moments of an optimizer such as Adam, and average."""
    size = {
        player: sum(p[0].numel() * p.element_size() for p in parameters.values())
        for player, parameters in ensemble.parameters.items()
    }
    return 4 * sum(size.values()) + size["generator"] * bool(training.program.ema)


def bound_member_bytes(networks: Networks, rows: int) -> int:
    """Return more bytes than a member takes whose players take ordinary steps on batches of `rows`.

    They are FORWARD_PASSES times what a forward pass of both networks keeps, and COPIES times the parameters.
    """
    with FlopCounter() as counter:
        kept = networks.generator(torch.empty(rows, networks.latent, device="meta"))
        kept = networks.critic(kept) if networks.critic is not None else kept
    players = [net for net in (networks.generator, networks.critic) if net is not None]
    parameters = sum(p.numel() * p.element_size() for net in players for p in net.parameters())
    return FORWARD_PASSES * counter.most_bytes + COPIES * parameters


def count_widest_convolution(networks: Networks) -> int:
    """Return the largest number of channels that a convolution of these networks takes or gives; 0 without one."""
    return max((max(each.in_channels, each.out_channels) for each in list_convolutions(networks)), default=0)


def leave_out_numbers(training: Training) -> Training:
    """Return a training before its beginning with networks that have shapes but no numbers: it cannot train.

    Raise whatever networks raise that cannot be built so.
    """
    ask, meta = training.program.build_ask(training.source, training.critic_norm), torch.device("meta")
    with FlopCounter(), meta:  # the counter remembers shapes, which torch computes slowly
        ensembles = build_stages(training.space, training.spec, ask, training.members[:1], meta, training.dtype)
    for ensemble in ensembles:
        require_labels(ensemble.networks, training.program, training.data)
    training.ensembles = ensembles
    training.optimizers = {}
    return training


def leave_out_data(source: Source) -> Source:
    """Return a dataset of one sample of zeros, with the shape and the classes of this one: no data is read."""
    return replace(
        source,
        draw=None,
        size=1,
        take=lambda indices: torch.zeros(len(indices), *source.shape),
        labels=(lambda indices: torch.zeros(len(indices), dtype=torch.long)) if source.labels else None,
        stream=False,
    )


def make_blank(shape: tuple[int, ...], classes: int) -> Source:
    """Return a dataset of one sample of zeros, with this shape and number of classes (0: without labels)."""
    labels = torch.zeros_like if classes else None
    return leave_out_data(
        Source(shape=shape, reference=lambda n: torch.zeros(1, *shape), classes=classes, labels=labels)
    )


def due_frequencies(program: Program) -> Iterator[tuple[frozenset[str], Fraction]]:
    """Yield each set of terms that are due together, and in which part of the updates exactly these are due.

    Terms of `every` a, b, ... are all due in one of lcm(a, b, ...) updates, others among them or not; the principle of
    inclusion and exclusion takes out the updates in which others are due as well.
    """
    periods = sorted({link.part.every for link in program.terms})
    subsets = [frozenset(subset) for k in range(len(periods) + 1) for subset in combinations(periods, k)]
    for chosen in subsets:
        larger = (subset for subset in subsets if chosen <= subset)
        frequency = sum(Fraction((-1) ** (len(subset) - len(chosen)), math.lcm(*subset)) for subset in larger)
        if frequency > 0:
            yield frozenset(link.name for link in program.terms if link.part.every in chosen), Fraction(frequency)
