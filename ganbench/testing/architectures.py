"""Contract rules for architectures: what the engine needs to call a module functionally, with many seeds at once."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from random import Random

import torch
from torch.utils._pytree import tree_leaves

from ganbench.api.models import Ask, Networks
from ganbench.engine.ensemble import refuse_tied_parameters
from ganbench.errors import GanbenchError
from ganbench.testing import sequences
from ganbench.testing.architecture_case import (
    BATCH_SIZE,
    Case,
    build_stages,
    choose_critic_labels,
    collect_answers,
    list_players,
    make_inputs,
    make_samples,
)
from ganbench.testing.purity import equal_bits, largest_difference, require_no_global_random
from ganbench.testing.rule import always, require, rule

NUDGE = 1e-7
"""Relative tolerance in float64: mapped convolutions add up in another order."""

OTHER_SIZES = (3, 6)
SIZE_WAY_OUT = "Let it take batches of any size: a layer over groups of samples needs groups for the samples left over."


@rule()
def draws_specs_from_its_own_generator(case: Case) -> None:
    """Draws specs of names and numbers, only from the generator it receives, and at most `size` different ones."""
    with require_no_global_random("draw specs from the argument `rng` of `sample`"):
        specs, repeated = ([case.space.sample(rng) for _ in range(5)] for rng in (Random(3), Random(3)))
    require(
        specs == repeated, "two equal generators give different specs: draw only from the argument `rng` of `sample`."
    )
    for spec in specs:
        try:
            survives = json.loads(json.dumps(dict(spec), allow_nan=False)) == dict(spec)
        except (TypeError, ValueError):
            survives = False
        require(
            survives, f"the spec {dict(spec)!r} does not survive JSON: use names and numbers (no tuples, no modules)."
        )
    if case.space.size is not None and case.space.size <= 50:
        rng = Random(0)
        distinct = {json.dumps(dict(case.space.sample(rng)), sort_keys=True) for _ in range(300)}
        require(
            len(distinct) <= case.space.size,
            f"size = {case.space.size}, but `sample` draws {len(distinct)} different specs: correct `size`.",
        )


@rule(vital=always)
def repeats_its_weights(case: Case) -> None:
    """Draws its weights only from torch's global generator: one seed gives one network."""
    spec = case.specs[0]
    stages, repeated = (build_stages(case.space, spec, case.ask, seed=5) for _ in range(2))
    for first, second in zip(stages, repeated, strict=True):
        for a, b in zip(list_players(first), list_players(second), strict=True):
            states = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
            require(
                all(equal_bits(x, y) for x, y in states),
                "one seed gives two networks: draw weights only with torch.",
            )


@rule()
def makes_samples_and_scores(case: Case) -> None:
    """Makes samples of the requested shape, and one score for each."""
    for _, networks in case.build_all():
        refuse_tied_parameters(networks.generator, "generator")
        z, labels = make_inputs(networks, case.ask)
        fake = networks.generator(z, *labels)
        require(len(fake) == BATCH_SIZE, f"the generator makes {list(fake.shape)} from {BATCH_SIZE} latents.")
        if networks.prepare is None:
            require(
                fake.shape[1:] == case.ask.shape, f"the generator makes {list(fake.shape[1:])}, not {case.ask.shape}."
            )
        else:
            real = networks.prepare(torch.zeros(2, *case.ask.shape), torch.zeros(()))
            require(
                real.shape[1:] == fake.shape[1:],
                f"`prepare` makes real samples of {list(real.shape[1:])}, and fake samples are "
                f"{list(fake.shape[1:])}: make them equal.",
            )
        if networks.critic is not None:
            refuse_tied_parameters(networks.critic, "critic")
            score = collect_answers(networks.critic, fake, *choose_critic_labels(networks, labels)).get("score")
            shape = None if score is None else list(score.shape)
            size = [BATCH_SIZE]
            require(
                shape in (None, size), f"the critic's score is {shape} for {BATCH_SIZE} samples: it must be {size}."
            )


@rule()
def supports_what_a_method_requests(case: Case) -> None:
    """Supports codes, heads and packed samples, or refuses them with a GanbenchError."""
    asks = {
        "codes": replace(case.ask, latent=3),
        "heads": replace(case.ask, heads={"code": 5, "style": 1}),
        "packing": replace(case.ask, pack=2),
    }
    for what, ask in asks.items():
        try:
            stages = build_stages(case.space, case.specs[0], ask)
        except GanbenchError:
            continue
        for networks in stages:
            if not (networks.conditional and ask.pack > 1):  # the engine refuses to pack samples with labels
                require_request_met(networks, ask, what)


def require_request_met(networks: Networks, ask: Ask, what: str) -> None:
    """Raise ContractError unless the networks support the request; `what` names it."""
    z, labels = make_inputs(networks, ask)
    try:
        fake = networks.generator(z, *labels)
    except RuntimeError as error:
        require(
            False,
            f"with a request for {what}, its generator cannot read {z.shape[1]} = latent + ask.latent numbers: {error}",
        )
    if ask.latent and not equal_bits(fake, networks.generator(torch.cat([z[:, :-3] + 1, z[:, -3:]], 1), *labels)):
        ignored = equal_bits(fake, networks.generator(torch.cat([z[:, :-3], z[:, -3:] + 1], 1), *labels))
        require(not ignored, "with a request for codes (ask.latent = 3), its generator ignores the last three latents.")
    if networks.critic is None:
        return
    x, labels = make_samples(networks, ask)
    try:
        answers = collect_answers(networks.critic, x, *labels)
    except RuntimeError as error:
        require(
            False,
            f"with a request for {what}, its critic cannot read samples of {list(x.shape[1:])} (pack = {ask.pack}): "
            f"{error}",
        )
    for head, width in ask.heads.items():
        shape = list(answers[head].shape) if head in answers else "nothing"
        require(
            shape == [BATCH_SIZE, width],
            f"with a request for a head {head!r} of width {width}, its critic returns {shape}: return "
            f"[{BATCH_SIZE}, {width}], or refuse with a GanbenchError.",
        )


@rule()
def keeps_its_buffers(case: Case) -> None:
    """Keeps every buffer, and gives the same answer twice: no statistics, no dropout, no random numbers."""
    for spec, networks in case.build_all():
        for player, net in zip(("generator", "critic"), list_players(networks), strict=False):
            net.train()
            inputs = make_inputs(networks, case.ask) if player == "generator" else make_samples(networks, case.ask)
            before = {name: buffer.clone() for name, buffer in net.named_buffers()}
            with require_no_global_random(f"use no dropout and no noise in the {player} (an input's `view` may draw)"):
                first, second = (tree_leaves(net(inputs[0], *inputs[1])) for _ in range(2))
            changed = [name for name, buffer in net.named_buffers() if not equal_bits(buffer, before[name])]
            require(
                not changed,
                f"the {player}'s buffers {changed} change when it is called ({dict(spec)}): a batch norm needs "
                "track_running_stats=False.",
            )
            equal = all(equal_bits(a, b) for a, b in zip(first, second, strict=True))
            require(equal, f"the {player} returns two different answers for one input: remove the state that it keeps.")


@rule()
def takes_batches_of_any_size(case: Case) -> None:
    """Takes batches of other sizes than the training's: metrics show what is left of their samples."""
    for spec, networks in case.build_all():
        for size in OTHER_SIZES:
            for player, net in zip(("generator", "critic"), list_players(networks), strict=False):
                make = make_inputs if player == "generator" else make_samples
                try:
                    x, labels = make(networks, case.ask, size)
                    answers = tree_leaves(net(x, *labels))
                except RuntimeError as error:
                    require(False, f"the {player} fails on {size} samples ({dict(spec)}): {error}. {SIZE_WAY_OUT}")
                counts = {len(answer) for answer in answers}
                require(
                    counts == {size}, f"the {player} answers {sorted(counts)} times to {size} samples. {SIZE_WAY_OUT}"
                )


@rule()
def is_rowwise_if_declared(case: Case) -> None:
    """Scores each sample independently of the others if it declares `rowwise`."""
    for spec, networks in case.build_all():
        if networks.critic is None or not networks.rowwise:
            continue
        critic = networks.critic.double()
        x, labels = make_samples(networks, case.ask)
        x = x.double()
        whole = collect_answers(critic, x, *labels)
        parts = [
            collect_answers(critic, x[half], *(label[half] for label in labels))
            for half in (slice(0, 2), slice(2, None))
        ]
        for name, answer in whole.items():
            gap = largest_difference([torch.cat([part[name] for part in parts])], [answer])
            require(
                gap <= NUDGE,
                f"rowwise=True, but the critic's {name} of a sample depends on the rest of its batch (by {gap:.2g}, "
                f"{dict(spec)}): it has a batch norm or another layer over the batch. Declare rowwise=False.",
            )
        networks.critic.float()


@rule(lambda case: len(build_stages(case.space, case.specs[0], case.ask)) > 1)
def keeps_parameters_between_stages(case: Case) -> None:
    """Keeps every parameter of a stage, by name and shape, in the next stage."""
    stages = build_stages(case.space, case.specs[0], case.ask)
    for before, after in pairwise(stages):
        for player, old, new in zip(("generator", "critic"), list_players(before), list_players(after), strict=False):
            shapes = {name: p.shape for name, p in new.named_parameters()}
            lost = [name for name, p in old.named_parameters() if shapes.get(name) != p.shape]
            require(
                not lost,
                f"the {player}'s parameters {lost} of one stage are missing or have another shape in the next stage: "
                "keep their names and shapes.",
            )


RULES = (
    draws_specs_from_its_own_generator,
    repeats_its_weights,
    makes_samples_and_scores,
    supports_what_a_method_requests,
    keeps_its_buffers,
    takes_batches_of_any_size,
    is_rowwise_if_declared,
    keeps_parameters_between_stages,
    *sequences.ARCHITECTURE_RULES,
)
