"""What an update costs one member of a trial, in FLOPs and in memory, counted on networks without numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ganbench.api import schedules
from ganbench.api.data import Source
from ganbench.api.models import Ask
from ganbench.api.shared_program import shared_program
from ganbench.api.trials import Batch, Budget, Measurement, Trial, canonical_json
from ganbench.errors import GanbenchError
from ganbench.plan.network_size import TooLarge, explain_memory, without_memory

if TYPE_CHECKING:
    from ganbench.engine.train import Training
    from ganbench.registry.registry import Registry

UNKNOWN = Budget(generator_steps=1, batch_size=1, snapshots=(1,))
"""A placeholder for the budget of a trial while its generator steps are not known."""

MOST_PERIODS = 6
"""The largest number of different periods of lazy terms in a budget of FLOPs: each combination is counted."""

Found = TypeVar("Found")


class CostCounter:
    """The costs of the trials of one plan; what they depend on is counted once.

    `sources` has each dataset by its label in tables.
    """

    def __init__(self, registry: Registry, sources: Mapping[str, Source]) -> None:
        self.registry, self.sources = registry, sources
        self.flops = dict[str, tuple[float, float]]()
        self.members = dict[str, tuple[int, int]]()
        self.looks = dict[str, tuple[float, int]]()

    def count_flops(self, trial: Trial, batch_size: int) -> tuple[float, float]:
        """Return the floating-point operations of one update of the critic, and of one of the generator.

        Raise GanbenchError for a method with too many periods, and for networks that do not fit into memory.
        """
        from ganbench.engine.cost import count_update_flops

        key = self.make_key(trial, batch_size)
        if key not in self.flops:
            self.refuse_many_periods(trial)
            try:
                flops = self.count(trial, batch_size, lambda training: dict(count_update_flops(training)))
            except TooLarge as reason:
                raise GanbenchError(
                    f"method {trial.labels['method']!r}: its FLOPs cannot be counted: {reason}. Use smaller networks, "
                    f"or a batch_size below {batch_size}."
                ) from None
            self.flops[key] = flops["critic"], flops["generator"]
        return self.flops[key]

    def count_trial(self, trial: Trial) -> float:
        """Return the floating-point operations of a whole trial; raise as `count_flops`."""
        steps, recipe = trial.budget.generator_steps, trial.recipe
        critic, generator = self.count_flops(trial, trial.budget.batch_size)
        dynamics = self.registry.build("dynamics", recipe.dynamics.name, recipe.dynamics.options)
        schedule = schedules.parse_critic_steps(1 if dynamics.together else recipe.critic_steps)
        updates = {"critic": schedule.total(steps) * critic, "generator": steps * generator}
        return sum(updates[player] for player in dynamics.players)

    def measure_member(self, trial: Trial, batch_size: int, enough: float = 0) -> tuple[float, int]:
        """Return the bytes of one member, and the number of channels of its widest convolution (0 without one).

        A member that clearly takes less than `enough` bytes is not counted but bounded from above, which is faster.
        The bytes are 1 where networks cannot be built or called: the checks before training say why.
        """
        from ganbench.engine.cost import count_member_bytes, count_widest_convolution

        bound, channels = self.look(trial, batch_size)
        if bound < enough:
            return bound, channels
        key = self.make_key(trial, batch_size)
        if key not in self.members:

            def measure(training: Training) -> tuple[int, int]:
                return count_member_bytes(training), count_widest_convolution(training.ensembles[-1].networks)

            try:
                self.members[key] = self.count(trial, batch_size, measure)
            except (Exception, SystemExit):  # a third party's plugins may raise anything
                self.members[key] = 1, 0
        return self.members[key]

    def look(self, trial: Trial, batch_size: int) -> tuple[float, int]:
        """Return more bytes than one member can take, and the number of channels of its widest convolution.

        The bytes are infinite for dynamics that differentiate through updates, and for networks that cannot be built
        without numbers, or by what the data alone asks of them.
        """
        from ganbench.engine.cost import bound_member_bytes, count_widest_convolution

        recipe, source = trial.recipe, self.sources[trial.labels["dataset"]]
        dynamics = self.registry.build("dynamics", recipe.dynamics.name, recipe.dynamics.options)
        if dynamics.critic is not None or dynamics.generator is not None:
            return math.inf, 0
        part = trial.architecture
        key = canonical_json([part.plain, trial.spec, batch_size, source.shape, source.classes])
        if key not in self.looks:
            try:
                space = self.registry.build("architectures", part.name, part.options)
                with without_memory():
                    networks = space.networks(
                        trial.spec, Ask(shape=source.shape, classes=source.classes, draw=source.draw)
                    )
                self.looks[key] = bound_member_bytes(networks, batch_size), count_widest_convolution(networks)
            except (Exception, SystemExit):
                self.looks[key] = math.inf, 0
        return self.looks[key]

    def make_key(self, trial: Trial, batch_size: int) -> str:
        """Return what the costs depend on.

        It is the program (`api.shared_program`) without its optimizers and schedule, the architecture, the batch size,
        and the shape and the classes of the dataset.
        """
        source, recipe = self.sources[trial.labels["dataset"]], trial.recipe
        program = shared_program(trial, self.registry.scalar_defaults)["recipe"]
        unpriced = {"critic_optimizer", "generator_optimizer", "critic_steps", "order", "plateau"}
        priced = {name: part for name, part in program.items() if name not in unpriced and "ema" not in name}
        averaged, space = recipe.ema > 0, trial.architecture.plain
        return canonical_json([priced, averaged, space, trial.spec, batch_size, source.shape, source.classes])

    def count(self, trial: Trial, batch_size: int, function: Callable[[Training], Found]) -> Found:
        """Return the value of a function of a trial's training, without numbers if that can be.

        Networks that cannot be built without numbers, or not be called, get theirs, and one sample of the data. Raise
        TooLarge where memory runs out.
        """
        import torch

        from ganbench.engine.cost import leave_out_data, leave_out_numbers
        from ganbench.engine.train import prepare
        from ganbench.evaluation.calibration import single_thread

        trial = replace(trial, budget=replace(UNKNOWN, batch_size=batch_size))
        batch = Batch(trials=(trial,), mode="loop", measurement=Measurement(metrics=()))
        source, device = self.sources[trial.labels["dataset"]], torch.device("cpu")
        with explain_memory(), single_thread():  # small networks: two threads would only wait for each other
            try:
                blank = leave_out_data(source)
                return function(leave_out_numbers(prepare(batch, self.registry, device, source=blank)))
            except Exception:  # a plugin may do anything with a tensor, and raise any exception then
                real = replace(source, size=min(source.size, 1))
                return function(prepare(batch, self.registry, device, source=real))

    def refuse_many_periods(self, trial: Trial) -> None:
        """Raise GanbenchError for terms of so many periods that their combinations could not all be counted."""
        terms = [("constraints", part) for part in trial.recipe.constraints]
        terms += [("inputs", part) for part in trial.recipe.inputs]
        periods = {part.every or self.registry.build(kind, part.name, part.options).every for kind, part in terms}
        if len(periods) > MOST_PERIODS:
            raise GanbenchError(
                f"method {trial.labels['method']!r}: its terms have {len(periods)} different periods `every`, and "
                f"FLOPs are counted for at most {MOST_PERIODS}. Use fewer, or a budget in updates."
            )
