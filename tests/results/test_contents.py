"""What trials consist of, as tidy frames: factors of architectures, options of methods, success rules."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ganbench.api.trials import Part, Trial, canonical_json
from ganbench.errors import GanbenchError
from ganbench.results import contents
from ganbench.results.frames import Frames
from ganbench.results.store import Store, read
from ganbench.suite import list_suites, load, parse

from tests.support.hostile_folders import alter, hostile
from tests.support.trials_by_hand import SUITE, record, results, trial

OLD = Path(__file__).parents[1] / "fixtures" / "results_schema_2"


def architecture(number: int, spec: Mapping[str, Any], method: str = "a", seed: int = 0, **options: Any) -> Trial:
    """Return a trial of an architecture with this spec, of a space with these options."""
    part = Part("space", options=options)
    return replace(trial(method, number, seed), architecture=part, spec=spec)


def recipe(method: str = "a", architecture: int = 0, **changes: Any) -> Trial:
    """Return a trial whose recipe has these parts."""
    planned = trial(method, architecture)
    return replace(planned, recipe=replace(planned.recipe, **changes))


def planned(folder: Path, *trials: Trial) -> Frames:
    """Return the frames of a folder in which these trials are planned, none of them recorded."""
    return results(folder, [], trials)


def test_a_factor_of_the_architectures_is_a_typed_column_that_joins_the_trials(tmp_path: Path) -> None:
    specs = [{"generator_depth": 4, "norm": True}, {"generator_depth": 2, "norm": False}]
    trials = [architecture(i, spec, method, latent=8) for i, spec in enumerate(specs) for method in "ab"]
    frames = planned(tmp_path, *trials)
    found = frames.architectures
    assert found.to_dict("list") == {
        "dataset": ["ring", "ring"],
        "architecture": ["mlp-0", "mlp-1"],
        "space": ["space", "space"],
        "words": ["G depth 4, norm", "G depth 2"],
        "generator_depth": [4, 2],
        "norm": [True, False],
        "latent": [8, 8],
    }
    assert found.dtypes.astype("str").tolist()[4:] == ["int64", "bool", "int64"]
    joined = frames.trials.merge(found, on=["dataset", "architecture"], validate="many_to_one")
    assert joined["generator_depth"].tolist() == [4, 4, 2, 2]


def test_nested_factors_have_a_column_each_and_lists_are_json(tmp_path: Path) -> None:
    first = {"generator": {"depth": 4, "widths": [64, 32]}, "words": "mine", "rate": 0.5}
    found = planned(tmp_path, architecture(0, first), architecture(1, {"generator": {"depth": "deep"}})).architectures
    assert found["generator.depth"].tolist() == ["4", "deep"], "values of several types are texts"
    assert found["generator.widths"].fillna("").tolist() == ["[64, 32]", ""]
    assert found["spec.words"][0] == "mine"
    assert found["words"][0] == "G depth 4 widths [64, 32], rate 0.5, mine words"
    assert found["rate"].dtype == "float64"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, "space"),
        ({"generator_depth": 4, "generator_width": 64, "generator_activation": "tanh"}, "G 4x64 tanh"),
        (
            {
                "critic_activation": "relu",
                "critic_depth": 2,
                "critic_normalised": True,
                "critic_width": 128,
                "generator_activation": "tanh",
                "generator_depth": 4,
                "generator_normalised": False,
                "generator_width": 64,
            },
            "G 4x64 tanh, D 2x128 relu normalised",
        ),
        (
            {"generator": {"depth": 4, "width": 64}, "discriminator": {"norm": "none"}, "norm": "batch"},
            "G 4x64, D, batch norm",
        ),
        ({"kernel_size": 3, "residual": False, "skip": None, "init": "he"}, "he init, kernel size 3"),
        ({"generator": 3, "depth": 2, "width": 8}, "2x8, generator 3"),
        ({"note": "x" * 999}, "x" * 200 + "..."),
    ],
)
def test_an_architecture_in_words(tmp_path: Path, spec: Mapping[str, Any], words: str) -> None:
    assert planned(tmp_path, architecture(0, spec)).architectures["words"].tolist() == [words]


def test_a_space_without_spec_is_described_by_its_options(tmp_path: Path) -> None:
    found = planned(tmp_path, architecture(0, {}, theta=2.0)).architectures
    assert found[["words", "theta"]].values.tolist() == [["theta 2", 2.0]]


def test_an_option_of_the_methods_is_a_column(tmp_path: Path) -> None:
    adam = Part("adam", options={"lr": 2e-4})
    penalty = Part("gradient-penalty", options={"target": 1}, weight=10.0)
    first = recipe("a", constraints=(penalty, penalty), critic_optimizer=adam, critic_steps=5)
    second = recipe("b", inputs=(Part("noise", weight=1.0, every=2),), critic_steps={"steps": 100, "every": 10})
    found = planned(tmp_path, first, second).methods.set_index("method")
    assert found.loc["a"].dropna().to_dict() == {
        "loss": "a",
        "constraints": "gradient-penalty, gradient-penalty 2",
        "inputs": "",
        "dynamics": "plain",
        "critic_optimizer": "adam",
        "critic_optimizer.lr": 2e-4,
        "generator_optimizer": "sgd",
        "critic_norm": "layer",
        "critic_steps": 5,
        "ema": 0.0,
        "order": "critic-first",
        "gradient-penalty.weight": 10.0,
        "gradient-penalty.target": 1,
        "gradient-penalty 2.weight": 10.0,
        "gradient-penalty 2.target": 1,
    }
    assert found.loc["b", ["critic_steps.steps", "critic_steps.every", "noise.every", "noise.weight"]].tolist() == [
        *(100, 10, 2, 1.0),
    ]


def test_a_constraint_for_some_architectures_is_named_so(tmp_path: Path) -> None:
    decay = Part("weight-decay", weight=0.5)
    found = planned(tmp_path, recipe("a", 0), recipe("a", 1, constraints=(decay,))).methods
    assert found[["constraints", "weight-decay.weight", "loss"]].values.tolist() == [
        ["weight-decay (on some architectures)", 0.5, "a"]
    ]


def test_an_option_that_changed_between_runs_is_empty_with_everything(tmp_path: Path) -> None:
    rates = [recipe("a", critic_optimizer=Part("sgd", options={"lr": lr})) for lr in (0.1, 0.2)]
    for planned_now in rates:
        results(tmp_path, [record(planned_now)])
    assert read(tmp_path).methods["critic_optimizer.lr"].tolist() == [0.2]
    found = read(tmp_path, everything=True).methods
    assert "critic_optimizer.lr" not in found
    assert found["critic_optimizer"].tolist() == ["sgd"]


def test_records_without_a_plan_have_contents_too(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append([record(trial(), [1.0])])
    assert read(tmp_path).methods["method"].tolist() == ["a"]


@pytest.mark.parametrize("path", list_suites().values(), ids=lambda path: path.stem)
def test_the_rules_are_those_of_the_suite(path: Path) -> None:
    """The frame is read from the text alone; the suite package knows what the text means."""
    suite = load(path)
    empty = pd.DataFrame()
    found = Frames(trials=empty, scores=empty, signals=empty, suite=suite.text).rules
    assert len(found) == len(suite.success)
    for rule, row in zip(suite.success, found.to_dict("records"), strict=True):
        for name, value in rule.model_dump(mode="json").items():
            if name == "condition" and value is not None:
                assert (
                    parse({**_question(), "success": [{"dataset": "ring", name: row[name]}]}).success[0].condition
                    == value
                )
            elif isinstance(value, list):
                assert json.loads(row[name]) == value
            else:
                assert row[name] == value or (value is None and pd.isna(row[name])), name


def _question() -> dict[str, Any]:
    return {"question": "?", "methods": ["ns-gan"], "dataset": [{"name": "ring"}], "budget": {"generator_steps": 1}}


def test_rules_of_a_suite_in_json_and_of_none() -> None:
    empty = pd.DataFrame()
    one = Frames(trials=empty, scores=empty, signals=empty, suite=json.dumps({"success": [{"metric": "fid"}]}))
    assert one.rules["metric"].tolist() == ["fid"]
    none = Frames(trials=empty, scores=empty, signals=empty).rules
    assert none.empty
    assert list(none)[:2] == ["dataset", "metric"]


@pytest.mark.parametrize("text", ["not toml", "{not json", "success = 3", "[" * 5000, '{"success": [3]}', "[]"])
def test_a_suite_that_is_none_has_no_rules_and_says_so(text: str) -> None:
    empty = pd.DataFrame()
    with pytest.raises(GanbenchError, match="the stored suite: its success rules cannot be read"):
        _ = Frames(trials=empty, scores=empty, signals=empty, suite=text).rules


def test_contents_are_read_only_when_asked_for_and_once(tmp_path: Path) -> None:
    frames = read(hostile(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents.json, "loads", None)
        assert len(frames.trials) == 1
        assert len(frames.scores)
    first = frames.architectures
    shutil.rmtree(tmp_path)
    assert frames.architectures is first
    assert len(frames.methods) == 1


def test_contents_that_differ_only_in_the_seed_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []

    def loads(text: str) -> Any:
        parsed.append(text)
        return json.JSONDecoder().decode(text)

    monkeypatch.setattr(contents.json, "loads", loads)
    trials = [architecture(i, {"depth": i}, seed=seed) for i in range(3) for seed in range(50)]
    rows = [
        (*(each.labels[kind] for kind in ("dataset", "architecture", "method")), canonical_json(each.content))
        for each in trials
    ]
    found = contents.make_contents(rows)
    assert found.architectures["depth"].tolist() == [0, 1, 2]
    assert len(parsed) == 3


@pytest.mark.parametrize(
    "content",
    [
        "nonsense",
        "[]",
        "3",
        '{"architecture": 3, "recipe": {}}',
        '{"architecture": {"name": "x", "spec": 3, "options": {}}, "recipe": {}}',
        '{"architecture": {"name": [], "spec": {}, "options": {}}, "recipe": {}}',
        '{"architecture": {"name": "x", "spec": {}, "options": {}}, "recipe": {"loss": {"name": 3}}}',
        json.dumps({"architecture": {"name": "x", "spec": {str(i): i for i in range(9999)}, "options": {}}}),
        '{"architecture": {"name": "x", "spec": {"a": ' + '{"b":' * 50000 + "1" + "}" * 50000 + "}}}",
        b"\x00\x01",
        None,
        7,
    ],
)
def test_contents_of_a_third_party_are_refused_by_the_name_of_the_file(tmp_path: Path, content: object) -> None:
    hostile(tmp_path)
    alter(tmp_path, "PRAGMA ignore_check_constraints = ON", "PRAGMA writable_schema = OFF")
    value = "" if content is None else content
    alter(tmp_path, ("UPDATE trials SET content = ?", (value,)))
    frames = read(tmp_path)
    for name in ("architectures", "methods"):
        with pytest.raises(GanbenchError, match=r"results\.sqlite: holds what ganbench never writes"):
            getattr(frames, name)


def test_results_of_schema_2_have_contents() -> None:
    frames = read(OLD)
    assert set(frames.methods["method"]) == set(frames.trials["method"])
    assert len(frames.architectures) == frames.trials["architecture"].nunique()


def test_the_suite_of_the_helpers_has_no_rules(tmp_path: Path) -> None:
    assert SUITE
    assert results(tmp_path, [record(trial())]).rules.empty
