"""The rules for architectures: what the engine relies on when it calls a module functionally, many seeds at once."""

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
from ganbench.testing.rule import Subject, require, rule

SHAPES = ((2,), (1,), (1, 8, 8), (1, 16, 16), (3, 32, 32), (1, 28, 28), (3, 64, 64), (32, 32))
ROWS, SPECS = 4, 3
LARGE = 300_000
"""Of parameters; fewer specs of such networks are looked at."""
NUDGE = 1e-7
"""Relative, in float64: mapped convolutions add up in another order."""


@dataclass(frozen=True)
class Case:
    """An architecture space under test."""

    subject: Subject

    @cached_property
    def space(self) -> Space:
        """The space."""
        built: Space = self.subject.build()
        return built

    @cached_property
    def ask(self) -> Ask:
        """The first shape that it builds for, among those of the usual datasets."""
        refused = []
        spec = self.space.sample(Random(0))
        for shape in SHAPES:
            try:
                build_stages(self.space, spec, Ask(shape=shape))
                return Ask(shape=shape)
            except GanbenchError as error:
                refused.append(str(error))
        require(False, f"it builds for none of the shapes {SHAPES}. Of the last it says: {refused[-1]}")
        raise AssertionError

    @cached_property
    def specs(self) -> list[Spec]:
        """Several specs, fewer of large networks."""
        rng = Random(2017)
        specs = [self.space.sample(rng) for _ in range(SPECS)]
        first = build_stages(self.space, specs[0], self.ask)
        size = sum(p.numel() for p in tree_leaves([list(net.parameters()) for net in list_players(first[-1])]))
        return specs[:1] if size > LARGE else specs

    def built(self, ask: Ask | None = None) -> Iterator[tuple[Spec, Networks]]:
        """Give each spec and each stage of the networks it makes."""
        for spec in self.specs:
            for networks in build_stages(self.space, spec, ask or self.ask):
                yield spec, networks


def cases(subject: Subject) -> list[Case]:
    """Give the one case of a space."""
    return [Case(subject)]


def build_stages(space: Space, spec: Spec, ask: Ask, seed: int = 0) -> tuple[Networks, ...]:
    """Build one member from a seed, as the engine does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = space.networks(spec, ask)
    return made if isinstance(made, tuple) else (made,)


def list_players(networks: Networks) -> list[nn.Module]:
    """Give the modules that there are."""
    return [net for net in (networks.generator, networks.critic) if net is not None]


def make_inputs(networks: Networks, ask: Ask, rows: int = ROWS, seed: int = 0) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Give a latent [n, width], and labels where the networks are conditional."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, networks.latent + ask.latent, generator=rng)
    return z, (torch.randint(max(1, ask.classes), (rows,), generator=rng),) if networks.conditional else ()


def samples(networks: Networks, ask: Ask, rows: int = ROWS, seed: int = 0) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Give normal samples as the critic sees them, packed, and labels."""
    z, labels = make_inputs(networks, ask, rows, seed)
    shape = networks.generator(z, *labels).shape[1:]
    rng = torch.Generator().manual_seed(seed + 1)
    return torch.randn(rows, ask.pack * shape[0], *shape[1:], generator=rng), labels


def critic_answers(critic: Callable[..., Any], *inputs: Tensor) -> Mapping[str, Tensor]:
    """Give every answer of a critic by name."""
    made = critic(*inputs)
    return {"score": made} if isinstance(made, Tensor) else made


@rule()
def samples_specs_by_its_own_dice(case: Case) -> None:
    """Draws specs of names and numbers from the generator it is given alone, at most `size` of them."""
    with require_no_global_random("draw specs from the `rng` that `sample` is given"):
        one, other = ([case.space.sample(rng) for _ in range(5)] for rng in (Random(3), Random(3)))
    require(
        one == other, "two equal generators give different specs: draw from the `rng` that `sample` is given alone."
    )
    for spec in one:
        try:
            kept = json.loads(json.dumps(dict(spec), allow_nan=False)) == dict(spec)
        except (TypeError, ValueError):
            kept = False
        require(kept, f"the spec {dict(spec)!r} does not survive JSON: names and numbers only (no tuples, no modules).")
    if case.space.size is not None and case.space.size <= 50:
        rng = Random(0)
        found = {json.dumps(dict(case.space.sample(rng)), sort_keys=True) for _ in range(300)}
        require(len(found) <= case.space.size, f"size = {case.space.size}, but it draws {len(found)} different specs.")


@rule()
def repeats_its_weights(case: Case) -> None:
    """Draws its weights from torch's global generator alone: one seed gives one network."""
    spec = case.specs[0]
    one, other = (build_stages(case.space, spec, case.ask, seed=5) for _ in range(2))
    for first, second in zip(one, other, strict=True):
        for a, b in zip(list_players(first), list_players(second), strict=True):
            states = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
            require(
                all(equal_bits(x, y) for x, y in states), "one seed gives two networks: draw weights by torch alone."
            )


@rule()
def gives_samples_and_scores(case: Case) -> None:
    """Makes samples of the shape asked for, and one score for each."""
    for _, networks in case.built():
        refuse_tied_parameters(networks.generator, "generator")
        z, labels = make_inputs(networks, case.ask)
        made = networks.generator(z, *labels)
        require(len(made) == ROWS, f"the generator makes {list(made.shape)} of {ROWS} latents.")
        if networks.prepare is None:
            require(
                made.shape[1:] == case.ask.shape, f"the generator makes {list(made.shape[1:])}, not {case.ask.shape}."
            )
        else:
            real = networks.prepare(torch.zeros(2, *case.ask.shape), torch.zeros(()))
            require(
                real.shape[1:] == made.shape[1:],
                f"`prepare` makes {list(real.shape[1:])}, fakes are {list(made.shape[1:])}.",
            )
        if networks.critic is not None:
            refuse_tied_parameters(networks.critic, "critic")
            score = critic_answers(networks.critic, made, *labels).get("score")
            shape = None if score is None else list(score.shape)
            require(shape in (None, [ROWS]), f"the critic's score is {shape} for {ROWS} samples: it must be [{ROWS}].")


@rule()
def gives_what_a_method_asks_for(case: Case) -> None:
    """Makes room for codes, heads and packed samples, or refuses them with a GanbenchError."""
    asks = {
        "codes": Ask(shape=case.ask.shape, latent=3),
        "heads": Ask(shape=case.ask.shape, heads={"code": 5, "style": 1}),
        "packing": Ask(shape=case.ask.shape, pack=2),
    }
    for what, ask in asks.items():
        try:
            made = build_stages(case.space, case.specs[0], ask)
        except GanbenchError:
            continue
        for networks in made:
            require_fit(networks, ask, what)


def require_fit(networks: Networks, ask: Ask, what: str) -> None:
    """Raise ContractError unless the networks give what was asked for."""
    z, labels = make_inputs(networks, ask)
    try:
        out = networks.generator(z, *labels)
    except RuntimeError as error:
        require(
            False, f"asked for {what}, its generator cannot read {z.shape[1]} = latent + ask.latent numbers: {error}"
        )
    if ask.latent and not equal_bits(out, networks.generator(torch.cat([z[:, :-3] + 1, z[:, -3:]], 1), *labels)):
        blind = equal_bits(out, networks.generator(torch.cat([z[:, :-3], z[:, -3:] + 1], 1), *labels))
        require(not blind, "asked for codes (ask.latent = 3), its generator ignores the last three latents.")
    if networks.critic is None:
        return
    x, labels = samples(networks, ask)
    try:
        given_back = critic_answers(networks.critic, x, *labels)
    except RuntimeError as error:
        require(
            False,
            f"asked for {what}, its critic cannot read samples of {list(x.shape[1:])} (pack = {ask.pack}): {error}",
        )
    for head, width in ask.heads.items():
        shape = list(given_back[head].shape) if head in given_back else "nothing"
        require(shape == [ROWS, width], f"asked for a head {head!r} of width {width}, its critic gives {shape}.")


@rule()
def leaves_its_buffers_alone(case: Case) -> None:
    """Keeps every buffer as it is, bit by bit, and gives the same twice: no statistics, no dropout, no dice."""
    for spec, networks in case.built():
        for player, net in zip(("generator", "critic"), list_players(networks), strict=False):
            net.train()
            inputs = make_inputs(networks, case.ask) if player == "generator" else samples(networks, case.ask)
            before = {name: buffer.clone() for name, buffer in net.named_buffers()}
            with require_no_global_random(f"no dropout and no noise in the {player} (an input's `view` may draw)"):
                one, other = (tree_leaves(net(inputs[0], *inputs[1])) for _ in range(2))
            changed = [name for name, buffer in net.named_buffers() if not equal_bits(buffer, before[name])]
            require(
                not changed,
                f"the {player}'s buffers {changed} change when it is called ({dict(spec)}): a batch norm needs "
                "track_running_stats=False.",
            )
            alike = all(equal_bits(a, b) for a, b in zip(one, other, strict=True))
            require(alike, f"the {player} gives two different answers to one input: it keeps a state.")


@rule()
def is_rowwise_if_it_says_so(case: Case) -> None:
    """Scores a sample without a look at the others if it claims `rowwise`."""
    for spec, networks in case.built():
        if networks.critic is None or not networks.rowwise:
            continue
        critic = networks.critic.double()
        x, labels = samples(networks, case.ask)
        x = x.double()
        whole = critic_answers(critic, x, *labels)
        parts = [
            critic_answers(critic, x[half], *(each[half] for each in labels)) for half in (slice(0, 2), slice(2, None))
        ]
        for name, answer in whole.items():
            gap = largest_difference([torch.cat([part[name] for part in parts])], [answer])
            require(
                gap <= NUDGE,
                f"rowwise=True, but the critic's {name} of a sample hangs on the rest of its batch (by {gap:.2g}, "
                f"{dict(spec)}): a batch norm or another layer over the batch. Say rowwise=False.",
            )
        networks.critic.float()


@rule(lambda case: len(build_stages(case.space, case.specs[0], case.ask)) > 1)
def grows_by_name(case: Case) -> None:
    """Keeps every parameter of a stage, by name and shape, in the next."""
    made = build_stages(case.space, case.specs[0], case.ask)
    for before, after in pairwise(made):
        for player, old, new in zip(("generator", "critic"), list_players(before), list_players(after), strict=False):
            held = {name: p.shape for name, p in new.named_parameters()}
            lost = [name for name, p in old.named_parameters() if held.get(name) != p.shape]
            require(not lost, f"the {player}'s parameters {lost} of one stage are missing, or others, in the next.")


RULES = (
    samples_specs_by_its_own_dice,
    repeats_its_weights,
    gives_samples_and_scores,
    gives_what_a_method_asks_for,
    leaves_its_buffers_alone,
    is_rowwise_if_it_says_so,
    grows_by_name,
)
