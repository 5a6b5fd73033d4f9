"""A plan refuses the success rules that a run would refuse, where the scores of the baselines are stored or cheap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError, registry
from ganbench import suite as suites
from ganbench.api.records import Calibration
from ganbench.runner.rules import preview_rules

from tests.support import leaving_plugins
from tests.support.terminal import ganbench
from tests.support.tiny_suite import plan_small
from tests.support.tiny_suite import suite as tiny_suite

TRIVIAL = "an untrained baseline, passes modes > 0"
SUITE = """
question = "Is success more than chance?"
seeds = 1
methods = ["ns-gan"]
budget = {generator_steps = 2, batch_size = 8, snapshots = 1}
architectures = {space = "mlp"}
dataset = [{name = "ring"}]
success = [{dataset = "ring", metric = "modes", thresholds = [THRESHOLD]}]
"""


def preview(dataset: str, metric: str, stored: list[Calibration] | None = None, **rule: Any) -> list[str]:
    plugins = registry.load(files=[leaving_plugins.__file__])
    rules = [{"dataset": dataset, "metric": metric, **rule}]
    question = tiny_suite(dataset=[{"name": dataset, "metrics": [metric]}], success=rules, methods=["ns-gan"])
    batches = plan_small(plugins, **question).batches
    return list(preview_rules(suites.parse(question, "s.toml"), batches, plugins, lambda protocol: stored or []))


def test_a_rule_that_a_baseline_passes_is_refused_by_the_plan_of_our_own_small_data() -> None:
    with pytest.raises(GanbenchError, match=r"s.toml: \[\[success\]\] for 'ring': .*an untrained baseline, passes"):
        preview("ring", "modes", thresholds=[0])
    assert preview("ring", "modes", thresholds=[0], allow_trivial=True) == []
    assert preview("ring", "sliced-w1", thresholds=[1e-6]) == []


def test_stored_scores_decide_for_any_data() -> None:
    row = Calibration("noise", True, "sliced-w1", 3.0, "lower", "a" * 64, 50)
    with pytest.raises(GanbenchError, match="'noise', an untrained baseline, passes sliced-W1 < 4"):
        preview("rows", "sliced-w1", [row], thresholds=[4])
    undefined = Calibration("real data", False, "sliced-w1", float("nan"), "lower", "a" * 64, 50)
    with pytest.raises(GanbenchError, match="the real data itself has no 'sliced-w1'"):
        preview("rows", "sliced-w1", [undefined], thresholds=[4])


def test_rules_on_data_or_metrics_of_others_are_left_to_the_run_and_told() -> None:
    assert preview("rows", "sliced-w1", thresholds=[4]) == [
        "the success rules for 'rows' are checked against untrained baselines by `ganbench run`."
    ]


def test_the_command_refuses_and_prints(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SUITE.replace("THRESHOLD", "0"))
    ended = ganbench("plan", "s.toml", cwd=tmp_path)
    assert (ended.returncode, TRIVIAL in ended.stderr, ended.stdout) == (2, True, "")
    (tmp_path / "s.toml").write_text(SUITE.replace("THRESHOLD", "7.5"))
    assert ganbench("plan", "s.toml", cwd=tmp_path).returncode == 0
