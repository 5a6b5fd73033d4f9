"""Contract rules for architectures: what the engine needs to call a module functionally, with many seeds at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ganbench.api.models import Ask, Networks, Space, Spec
from ganbench.engine.ensemble import refuse_tied_parameters
from ganbench.errors import GanbenchError
from ganbench.testing.purity import equal_bits, largest_difference, require_no_global_random
from ganbench.testing.rule import Subject, always, require, rule

SHAPES = ((2,), (1,), (1, 8, 8), (1, 16, 16), (3, 32, 32), (1, 28, 28), (3, 64, 64), (32, 32))
BATCH_SIZE, SPECS = 4, 3
LARGE = 300_000
"""The number of parameters above which only one spec is checked."""
NUDGE = 1e-7
"""Relative tolerance in float64: mapped convolutions add up in another order."""


@dataclass(frozen=True)
class Case:
    """An architecture space under test."""

    subject: Subject

    @cached_property
    def space(self) -> Space:
        """The architecture space that the offer builds."""
        built: Space = self.subject.build()
        return built

    @cached_property
    def ask(self) -> Ask:
        """The request for the first shape of the usual datasets that the space builds for."""
        errors = []
        spec = self.space.sample(Random(0))
        for shape in SHAPES:
            try:
                build_stages(self.space, spec, Ask(shape=shape))
                return Ask(shape=shape)
            except GanbenchError as error:
                errors.append(str(error))
        require(False, f"it builds for none of the shapes {SHAPES}. The last error: {errors[-1]}")
        raise AssertionError

    @cached_property
    def specs(self) -> list[Spec]:
        """Several specs; only one if its networks are large."""
        rng = Random(2017)
        specs = [self.space.sample(rng) for _ in range(SPECS)]
        first = build_stages(self.space, specs[0], self.ask)
        size = sum(p.numel() for p in tree_leaves([list(net.parameters()) for net in list_players(first[-1])]))
        return specs[:1] if size > LARGE else specs

    def build_all(self, ask: Ask | None = None) -> Iterator[tuple[Spec, Networks]]:
        """Yield each spec with each stage of its networks."""
        for spec in self.specs:
            for networks in build_stages(self.space, spec, ask or self.ask):
                yield spec, networks


def cases(subject: Subject) -> list[Case]:
    """Return the one case of an architecture space."""
    return [Case(subject)]


def build_stages(space: Space, spec: Spec, ask: Ask, seed: int = 0) -> tuple[Networks, ...]:
    """Build the stages of one member from a seed, as the engine does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = space.networks(spec, ask)
    return networks if isinstance(networks, tuple) else (networks,)


def list_players(networks: Networks) -> list[nn.Module]:
    """Return the networks' modules: generator, and critic if there is one."""
    return [net for net in (networks.generator, networks.critic) if net is not None]


def make_inputs(
    networks: Networks, ask: Ask, size: int = BATCH_SIZE, seed: int = 0
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return latents [n, width], and labels [n] where the networks are conditional."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(size, networks.latent + ask.latent, generator=rng)
    return z, (torch.randint(max(1, ask.classes), (size,), generator=rng),) if networks.conditional else ()


def make_samples(
    networks: Networks, ask: Ask, size: int = BATCH_SIZE, seed: int = 0
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return normal samples as the critic sees them, packed, and labels."""
    z, labels = make_inputs(networks, ask, size, seed)
    shape = networks.generator(z, *labels).shape[1:]
    rng = torch.Generator().manual_seed(seed + 1)
    return torch.randn(size, ask.pack * shape[0], *shape[1:], generator=rng), labels


def collect_answers(critic: Callable[..., Any], *inputs: Tensor) -> Mapping[str, Tensor]:
    """Return every answer of a critic by name."""
    answers = critic(*inputs)
    return {"score": answers} if isinstance(answers, Tensor) else answers


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
            score = collect_answers(networks.critic, fake, *labels).get("score")
            shape = None if score is None else list(score.shape)
            size = [BATCH_SIZE]
            require(
                shape in (None, size), f"the critic's score is {shape} for {BATCH_SIZE} samples: it must be {size}."
            )


@rule()
def supports_what_a_method_requests(case: Case) -> None:
    """Supports codes, heads and packed samples, or refuses them with a GanbenchError."""
    asks = {
        "codes": Ask(shape=case.ask.shape, latent=3),
        "heads": Ask(shape=case.ask.shape, heads={"code": 5, "style": 1}),
        "packing": Ask(shape=case.ask.shape, pack=2),
    }
    for what, ask in asks.items():
        try:
            stages = build_stages(case.space, case.specs[0], ask)
        except GanbenchError:
            continue
        for networks in stages:
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
    is_rowwise_if_declared,
    keeps_parameters_between_stages,
)
