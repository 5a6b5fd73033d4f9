"""How many seeds train together, and in which form, follows from the networks and the suite, never from the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from ganbench import GanbenchError, plan, registry, suite
from ganbench.api.trials import Batch
from ganbench.plan.composition import choose_mode
from ganbench.plan.costs import CostCounter

from tests.support.conv_space import Images, noise_images

BY_LABEL = {"acgan", "sngan-projection"}
METHODS = sorted({*registry.load().names("methods")} - BY_LABEL - {"unrolled-gan"})
"""The recipes for data without labels, less the one whose memory grows with its steps ahead and has no bound."""
OTHER_ANSWERS = {"began", "ebgan", "cramer-gan", "mmd-gan"}
"""Recipes whose loss reads an answer that the tests' convolutional critics do not have."""


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    return registry.load(plugins=[Images()])


def make_table(filters: int = 16, side: int = 16, **changes: Any) -> dict[str, Any]:
    return {
        "question": "Who trains together?",
        "seeds": 3,
        "methods": ["wgan-gp"],
        "budget": {"generator_steps": 1000, "batch_size": 60, "snapshots": 1},  # whole packs of two to four
        "architectures": {"space": "conv", "options": {"filters": filters}},
        "dataset": [{"name": "noise-images", "side": side, "metrics": ["mmd"]}],
        **changes,
    }


def make_batches(plugins: registry.Registry, *sizes: int, **changes: Any) -> tuple[Batch, ...]:
    return plan.make(suite.parse(make_table(*sizes, **changes)), plugins).batches


def measure(plugins: registry.Registry, batch: Batch, side: int = 16) -> float:
    counter = CostCounter(plugins, {"noise-images": noise_images(side, 1)})
    return counter.measure_member(batch.trials[0], batch.trials[0].budget.batch_size)[0]


def test_as_many_seeds_train_together_as_fit_into_the_memory(plugins: registry.Registry) -> None:
    size = measure(plugins, make_batches(plugins)[0])
    for fit, members in (
        (0.5, [1] * 9),
        (1.01, [1] * 9),
        (3.01, [3, 3, 3]),
        (4.01, [3, 3, 3]),
        (5.01, [5, 4]),
        (9.01, [9]),
    ):
        batches = make_batches(plugins, seeds=9, engine={"memory": f"{fit * size / 2**20:.6f} MiB"})
        assert [len(batch.trials) for batch in batches] == members
        assert all(len(batch.trials) * size <= fit * size for batch in batches) or fit < 1


def test_a_seed_that_takes_more_than_the_memory_trains_alone_with_a_caution(plugins: registry.Registry) -> None:
    size = measure(plugins, make_batches(plugins)[0])
    for fit, cautioned in ((0.5, ["wgan-gp"]), (1.01, [])):
        table = make_table(engine={"memory": f"{fit * size / 2**20:.6f} MiB"})
        cautions = plan.make(suite.parse(table), plugins).cautions
        found = [methods for sentence, methods in cautions.items() if "it trains alone" in sentence]
        assert [method for methods in found for method in methods] == cautioned


def test_memory_is_no_part_of_a_key(plugins: registry.Registry) -> None:
    small, large = (make_batches(plugins, engine={"memory": memory}) for memory in ("1 MiB", "1 TiB"))
    assert len(small) == 3 > len(large) == 1
    assert [trial.key for batch in small for trial in batch.trials] == [trial.key for trial in large[0].trials]


@pytest.mark.parametrize(
    ("seeds", "fit", "together", "expected"),
    [(256, 1000, 256, 256), (256, 100, 256, 86), (300, 1000, 256, 150), (33, 1000, 33, 33), (64, 64, 16, 8)],
)
def test_a_suite_that_trains_more_seeds_together_is_cut_for_memory_only(
    seeds: int, fit: int, together: int, expected: int
) -> None:
    assert plan.members_per_batch(seeds, 1, fit, together) == expected


def test_how_many_seeds_train_together_is_no_part_of_a_key(plugins: registry.Registry) -> None:
    few, many = (make_batches(plugins, seeds=40, engine={"together": most}) for most in (32, 40))
    assert [len(batch.trials) for batch in few] == [8] * 5
    assert [len(batch.trials) for batch in many] == [40]
    assert [trial.key for batch in few for trial in batch.trials] == [trial.key for trial in many[0].trials]


@pytest.mark.parametrize("width", [64, 512])
def test_multilayer_perceptrons_keep_their_batches(plugins: registry.Registry, width: int) -> None:
    """The batches of 32 that were planned before memory was counted, up to 3 x 512 and batches of about 256."""
    options = {"generator_width": width, "critic_width": width}
    table = make_table(
        seeds=64,
        methods=METHODS,
        budget={"generator_steps": 10, "batch_size": 252},
        architectures={"space": "mlp", "options": options},
        dataset=[{"name": "ring"}],
    )
    batches = plan.make(suite.parse(table), plugins).batches
    assert {(len(batch.trials), batch.mode) for batch in batches} == {(32, "stack")}


@pytest.mark.parametrize(
    ("shape", "channels", "rows", "mode"),
    [
        ((2,), 0, 256, "stack"),
        ((1, 64, 64), 0, 256, "stack"),
        ((1, 16, 16), 32, 85, "stack"),
        ((3, 32, 32), 32, 32, "stack"),
        ((1, 16, 16), 16, 256, "stack"),
        ((1, 16, 16), 32, 86, "loop"),
        ((1, 16, 16), 17, 86, "loop"),
        ((1, 16, 16), 33, 16, "loop"),
        ((3, 33, 32), 32, 32, "loop"),
        ((3, 32, 33), 8, 32, "loop"),
    ],
)
def test_small_convolutions_are_stacked(shape: tuple[int, ...], channels: int, rows: int, mode: str) -> None:
    assert choose_mode(3, True, shape, channels, rows) == mode
    assert choose_mode(2, True, shape, channels, rows) == choose_mode(3, False, shape, channels, rows) == "loop"


def test_the_form_follows_from_the_networks(plugins: registry.Registry) -> None:
    """The widest convolution has twice as many channels as filters at 16 pixels, four times as many at 32."""
    modes = {
        (filters, side): make_batches(plugins, filters, side)[0].mode for filters in (8, 16, 32) for side in (16, 32)
    }
    assert {size for size, mode in modes.items() if mode == "stack"} == {(8, 16), (16, 16), (8, 32)}


@pytest.mark.parametrize(
    ("method", "space"),
    [(name, space) for name in METHODS for space in ("mlp", "conv") if space == "mlp" or name not in OTHER_ANSWERS],
)
def test_the_quick_bound_is_above_the_count(plugins: registry.Registry, method: str, space: str) -> None:
    options = {"filters": 8, "normalised": True} if space == "conv" else {}
    architectures = {"space": space, "options": options}
    (batch,) = (
        make_batches(plugins, methods=[method], architectures=architectures)
        if space == "conv"
        else plan.make(
            suite.parse(make_table(methods=[method], architectures=architectures, dataset=[{"name": "ring"}])), plugins
        ).batches
    )
    trial = batch.trials[0]
    label = trial.labels["dataset"]
    source = noise_images(16, 1) if space == "conv" else plugins.build("datasets", "ring", {})
    counter = CostCounter(plugins, {label: source})
    count, bound = counter.measure_member(trial, 60)[0], counter.look(trial, 60)[0]
    assert 0 < count < bound < 1000 * count


def test_the_memory_of_dynamics_that_unroll_is_counted(plugins: registry.Registry) -> None:
    few, many = (
        make_batches(
            plugins,
            methods=[],
            method=[{"name": "m", "loss": "wasserstein", "dynamics": {"name": "unrolled", "steps": steps}}],
        )[0]
        for steps in (1, 5)
    )
    assert 1.5 < measure(plugins, many) / measure(plugins, few) < 5


@pytest.mark.parametrize("method", ["ns-gan", "wgan-gp"])
@pytest.mark.parametrize("mode", ["loop", "stack"])
def test_a_process_takes_about_the_bytes_that_are_counted(method: str, mode: str) -> None:
    """Within a factor of 2.5 on either side: the allocator keeps what it likes."""
    table = make_table(32, methods=[method])
    script = [sys.executable, "-m", "tests.support.peak_memory", json.dumps([table, mode])]
    answer = subprocess.run(script, capture_output=True, text=True, check=True, timeout=300)
    counted, measured = json.loads(answer.stdout)
    assert 1 / 2.5 < measured / counted < 2.5


@pytest.mark.parametrize("memory", ["8", "8 gigabytes", "0 GiB", "-1 GiB", "nan GiB", "GiB", 8])
def test_a_memory_without_a_unit_is_refused(memory: Any) -> None:
    with pytest.raises(GanbenchError, match=r"engine\.memory = .*: .*should be a"):
        suite.parse(make_table(engine={"memory": memory}))
    assert suite.parse(make_table(engine={"memory": "1.5 GB"})).engine.memory_bytes == 1_500_000_000
