"""What one step of one member shows to losses and terms, computed when first read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganbench.api.models import Networks
from ganbench.api.training import CriticFunction, Parameters, identity
from ganbench.engine.functional import call_module
from ganbench.engine.program import Program
from ganbench.errors import GanbenchError


class lazy:
    """An attribute computed once. (`functools.cached_property` takes a lock that torch.compile cannot trace.)"""

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, play: Any, owner: type) -> Any:
        value = play.__dict__[self.name] = self.compute(play)
        return value


class Play:
    """The concrete `ganbench.Play`: one member, one step, one batch.

    `g` and `d` are the players' parameters (d after reparametrisation), `buffers` theirs by player; `chance` holds
    `real`, `labels`, `latent` (by name), `views` and `draws`. With `joint` both real and fake samples will be scored,
    so a rowwise critic sees them in one pass. `within` is the progress of a growing network's stage.
    """

    def __init__(
        self,
        program: Program,
        networks: Networks,
        buffers: Mapping[str, Parameters],
        g: Parameters,
        d: Parameters,
        chance: Mapping[str, Any],
        progress: Tensor,
        joint: bool,
        within: Tensor | None = None,
    ) -> None:
        self.program, self.networks, self.buffers = program, networks, buffers
        self.generator_parameters, self.critic_parameters = g, d
        self.chance, self.progress = chance, progress
        self.within = progress if within is None else within
        self.joint = joint and networks.rowwise and not program.wraps
        self.draws: Mapping[str, Tensor] = {}

    # what the players are

    def generator(self, z: Tensor) -> Tensor:
        """Give the generator's samples of z, before any view."""
        return self._call(self.networks.generator, "generator", self.generator_parameters, z)

    def answers(self, x: Tensor) -> Mapping[str, Tensor]:
        """Give every answer of the critic to x, by name."""
        if self.networks.critic is None:
            return {}
        given = self._call(self.networks.critic, "critic", self.critic_parameters, x)
        return {"score": given} if isinstance(given, Tensor) else given

    def critic(self, x: Tensor) -> Tensor:
        """Give what penalties differentiate, [n]."""
        seen = self._scored(x) if self.program.wraps else self._seen(self.answers(x), x)
        witness = self.program.objective.witness
        return seen if witness is identity else witness(seen, self.scores_real, self.scores_fake)

    def _call(self, module: nn.Module, player: str, parameters: Parameters, x: Tensor) -> Any:
        held = {**parameters, **self.buffers[player]}
        return call_module(module, held, x, self.labels) if self.networks.conditional else call_module(module, held, x)

    def _seen(self, answers: Mapping[str, Tensor], x: Tensor) -> Tensor:
        objective = self.program.objective
        if objective.head is None:
            return objective.read(None, x)
        if objective.head not in answers:
            raise GanbenchError(
                f"the loss reads the critic's answer {objective.head!r}, but this architecture's critic gives only "
                f"{', '.join(sorted(answers))}. Choose an architecture that gives it, or another loss."
            )
        return objective.read(answers[objective.head], x)

    def _scored(self, x: Tensor) -> Tensor:
        def score(y: Tensor) -> Tensor:
            return self._seen(self.answers(y), y)

        function: CriticFunction = score
        for wrap in self.program.wraps:
            function = wrap(function)
        return function(x)

    # what they see

    @lazy
    def codes(self) -> Mapping[str, Tensor]:
        """Give the latent codes that inputs added, by name."""
        return {name: part for name, part in self.chance["latent"].items() if name != "noise"}

    @lazy
    def latent(self) -> Tensor:
        """Give the whole generator input, [n, width]."""
        parts = [part.flatten(1) for part in self.chance["latent"].values()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    @lazy
    def labels(self) -> Tensor | None:
        """Give the labels that condition both networks, [n]."""
        return self.chance.get("labels")

    @lazy
    def real(self) -> Tensor:
        """Give the real samples as the critic sees them."""
        x = self.chance["real"]
        prepare = self.networks.prepare
        return self._show(x if prepare is None else prepare(x, self.within), "real")

    @lazy
    def fake(self) -> Tensor:
        """Give the generated samples as the critic sees them."""
        return self._show(self.generator(self.latent), "fake")

    def _show(self, x: Tensor, side: str) -> Tensor:
        for link in self.program.inputs:
            if link.part.view is not None:
                x = link.part.view(x, self.chance["views"][link.name][side], self.progress)
        pack = self.program.pack
        if pack == 1:
            return x
        return x.reshape(x.shape[0] // pack, pack * x.shape[1], *x.shape[2:])

    # what the critic says

    @lazy
    def _both(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        n = self.real.shape[0]
        answers = self.answers(torch.cat([self.real, self.fake]))
        return {k: a[:n] for k, a in answers.items()}, {k: a[n:] for k, a in answers.items()}

    @lazy
    def answers_real(self) -> Mapping[str, Tensor]:
        """Give every answer to the real samples."""
        return self._both[0] if self.joint else self.answers(self.real)

    @lazy
    def answers_fake(self) -> Mapping[str, Tensor]:
        """Give every answer to the generated samples."""
        return self._both[1] if self.joint else self.answers(self.fake)

    @lazy
    def scores_real(self) -> Tensor:
        """Give what the loss reads of the real samples."""
        return self._scored(self.real) if self.program.wraps else self._seen(self.answers_real, self.real)

    @lazy
    def scores_fake(self) -> Tensor:
        """Give what the loss reads of the generated samples."""
        return self._scored(self.fake) if self.program.wraps else self._seen(self.answers_fake, self.fake)
