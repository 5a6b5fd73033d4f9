"""Every batch of a plan is in exactly one shard, the shards are equally large, and nothing but the plan divides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ganbench
import pytest
from ganbench.api.trials import Batch
from ganbench.errors import GanbenchError
from ganbench.plan import Plan, find_missing, make
from ganbench.plan.shards import Shard, read_shard
from ganbench.registry import Registry
from ganbench.runner.settings import Settings
from ganbench.suite.loading import parse

from tests.support.terminal import ganbench as command
from tests.support.tiny_suite import plan_small, suite

SAMPLE = {"space": "random-mlp", "sample": 5, "options": {"widths": [8], "depths": [2]}}
"""Five architectures, so that two methods have ten batches of three seeds each."""


@pytest.fixture(scope="module")
def planned(plugins: Registry) -> Plan:
    """A plan of ten batches."""
    planned = plan_small(plugins, architectures=SAMPLE)
    assert len(planned.batches) == 10
    return planned


def list_keys(batches: Sequence[Batch]) -> list[str]:
    return [batch.key for batch in batches]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 11, 40])
def test_every_batch_is_in_one_shard_and_sizes_differ_by_at_most_one(planned: Plan, count: int) -> None:
    shards = [Shard(number, count).select(planned.batches, planned) for number in range(1, count + 1)]
    assert sorted(list_keys([batch for shard in shards for batch in shard])) == sorted(list_keys(planned.batches))
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == 10


def test_the_third_of_four_has_every_fourth_batch_by_key_from_the_third_on(planned: Plan) -> None:
    assert list_keys(Shard(3, 4).divide(planned)) == sorted(list_keys(planned.batches))[2::4]


def test_the_order_of_a_plan_does_not_divide_it(planned: Plan) -> None:
    turned = replace(planned, batches=planned.batches[::-1])
    for number in (1, 2, 3):
        assert list_keys(Shard(number, 3).divide(turned)) == list_keys(Shard(number, 3).divide(planned))


def test_what_is_left_of_a_batch_stays_in_its_shard(planned: Plan) -> None:
    """One trial of each batch, and all of one batch, are stored: the rest is in the shards in which it was."""
    stored = [batch.trials[0] for batch in planned.batches[1:]] + list(planned.batches[0].trials)
    rest = find_missing(planned, {trial.key: (trial.code, "completed") for trial in stored}).batches
    assert len(rest) == 9
    assert not {batch.key for batch in rest} & {batch.key for batch in planned.batches}
    for number in (1, 2, 3):
        shard = Shard(number, 3)
        own = {trial.key for batch in shard.divide(planned) for trial in batch.trials}
        left = {trial.key for batch in shard.select(rest, planned) for trial in batch.trials}
        assert left == own - {trial.key for trial in stored}


def test_a_suite_whose_methods_stand_in_another_order_has_the_same_shards(planned: Plan, plugins: Registry) -> None:
    other = make(parse(suite(architectures=SAMPLE, methods=["wgan-gp", "ns-gan"]), "s.toml"), plugins)
    assert list_keys(other.batches) != list_keys(planned.batches)
    for number in (1, 2):
        assert list_keys(Shard(number, 2).divide(other)) == list_keys(Shard(number, 2).divide(planned))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("0/10", "--shard 0/10: of 10 shards, name one of 1/10 to 10/10."),
        ("11/10", "--shard 11/10: of 10 shards, name one of 1/10 to 10/10."),
        ("x", "--shard 'x': write which shard, and of how many, as in 3/10."),
        ("3/0", "--shard 3/0: there must be 1 shard or more. Write it as in 1/10."),
        ("-1/2", "--shard '-1/2': write which shard"),
        ("1/2/3", "--shard '1/2/3': write which shard"),
        ("3", "--shard '3': write which shard"),
        ("1/²", "write which shard"),
    ],
)
def test_a_malformed_shard_is_an_error_with_a_way_out(tmp_path: Path, text: str, answer: str) -> None:
    with pytest.raises(GanbenchError) as error:
        Settings(shard=text)
    assert answer in str(error.value)
    ended = command("run", "smoke", f"--shard={text}", "--results", "r", cwd=tmp_path)
    assert ended.returncode == 2
    assert answer in ended.stderr
    assert not (tmp_path / "r").exists()


def test_a_shard_is_read_as_it_is_written() -> None:
    assert read_shard("") is None
    assert read_shard("3/10") == Shard(3, 10)
    assert str(Shard(3, 10)) == "3/10"


def test_only_and_limit_select_from_the_shard(tmp_path: Path) -> None:
    asked = suite(architectures=SAMPLE)
    whole = ganbench.run(asked, results=tmp_path / "a", jobs=0, shard="1/2")
    trained = set(whole.trials.loc[whole.trials["status"] == "completed", "key"])
    assert len(trained) == 15
    part = ganbench.run(asked, results=tmp_path / "b", jobs=0, shard="1/2", only=("method=ns-gan",), limit=3).trials
    done = part[part["status"] == "completed"]
    assert len(done) == 3
    assert set(done["key"]) < trained
    assert set(done["method"]) == {"ns-gan"}
