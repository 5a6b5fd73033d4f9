"""The extractor that a suite names for its metrics on features: where it counts, and what is refused before a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ganbench import GanbenchError, registry
from ganbench.api.trials import Part
from ganbench.evaluation.calibration import collect_protocols
from ganbench.plan import Plan
from ganbench.suite.loading import parse

from tests.support import tile_extractors
from tests.support.tiny_suite import plan_small, suite

PLUGINS = registry.load(plugins=[tile_extractors])


def plan_with(extractor: Any = None, metrics: Any = ("fid",), dataset: Any = "digits", **measurement: Any) -> Plan:
    tables = dataset if isinstance(dataset, list) else [{"name": dataset}]
    named = {"extractor": extractor} if extractor is not None else {}
    whole = {"samples": 50, "metrics": list(metrics), **named, **measurement}
    return plan_small(PLUGINS, dataset=tables, success=None, measurement=whole)


def extractors_of(plan: Plan) -> dict[str, Part | None]:
    """Return the extractor of each dataset."""
    return {batch.trials[0].labels["dataset"]: batch.measurement.extractor for batch in plan.batches}


def test_a_dataset_is_scored_by_its_own_extractor_unless_the_suite_names_one() -> None:
    assert extractors_of(plan_with()) == extractors_of(plan_with("own")) == {"digits": None}
    assert extractors_of(plan_with("tiles")) == {"digits": Part("tiles")}
    assert extractors_of(plan_with({"name": "tiles", "channels": 1})) == {"digits": Part("tiles", 1, {"channels": 1})}
    assert plan_with().extractors["digits"]["name"] == "digits-cnn"
    named = plan_with("tiles", ["fid", "modes"], dataset=[{"name": "digits", "metrics": ["fid", "kid"]}])
    assert named.extractors["digits"] | {"digest": ""} == {"name": "tiles", "digest": "", "values": ["fid", "kid"]}


def test_the_table_of_a_dataset_overrides_that_of_the_measurement() -> None:
    tables = [{"name": "digits", "label": "a", "extractor": "own"}, {"name": "digits", "label": "b"}]
    tables += [{"name": "digits", "label": "c", "extractor": {"name": "tiles", "channels": 1}}]
    planned = extractors_of(plan_with("blunt", dataset=tables))
    assert planned == {"a": None, "b": Part("blunt"), "c": Part("tiles", 1, {"channels": 1})}


def test_an_extractor_is_no_part_of_a_trials_key_and_not_built_where_no_metric_is_on_features() -> None:
    keys = [{trial.key for trial in planned.trials} for planned in (plan_with(), plan_with("tiles"))]
    assert keys[0] == keys[1]
    unused = plan_with({"name": "tiles", "weights": "absent"}, ["sliced-w1"])
    assert extractors_of(unused) == {"digits": None}
    assert unused.extractors == {}


def test_a_dataset_without_an_extractor_is_scored_by_a_named_one() -> None:
    with pytest.raises(GanbenchError, match=r"has no feature extractor. `\[measurement\] extractor` names one"):
        plan_with(dataset="pictures")
    assert plan_with("tiles", dataset="pictures").extractors["pictures"]["name"] == "tiles"


@pytest.mark.parametrize(
    ("extractor", "dataset", "message"),
    [
        ("tilse", "digits", r"measurement.extractor: no extractor 'tilse'. Did you mean 'tiles'\?"),
        ({"name": "tiles", "size": 3}, "digits", "measurement.extractor: .*no option 'size'"),
        ({"name": "tiles", "weights": "absent"}, "digits", "measurement.extractor, for .* its weights are absent"),
        ("tiles", "ring", r"measurement.extractor, for dataset 'ring': .*shape \[2\]"),
        ({"name": "tiles", "channels": 2}, "pictures", "sees images of 2 channels, and the samples have 3"),
        ("inception-v3-compat", "digits", "its weights are not on this machine, and ganbench downloads none. Fetch"),
    ],
)
def test_what_cannot_extract_is_refused_with_its_place(
    extractor: Any, dataset: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(GanbenchError, match=f"^s.toml: {message}|^s.toml: measurement.extractor.*{message}"):
        plan_with(extractor, dataset=dataset)


def test_the_place_of_a_datasets_own_table_is_named() -> None:
    with pytest.raises(GanbenchError, match=r"^s.toml: dataset\[0\].extractor: no extractor 'x'"):
        plan_with(dataset=[{"name": "digits", "extractor": "x"}])


@pytest.mark.parametrize("where", ["measurement", "dataset"])
def test_the_datasets_own_extractor_has_no_options(where: str) -> None:
    table = {"extractor": {"name": "own", "weights": "x"}}
    tables = {"measurement": table} if where == "measurement" else {"dataset": [{"name": "ring", **table}]}
    with pytest.raises(GanbenchError, match="'own' is the dataset's own extractor, which has no options"):
        parse(suite(success=None, **tables), "s.toml")


def test_normalisation_is_part_of_the_measurement_and_one_of_two() -> None:
    assert plan_with(normalisation="standing").batches[0].measurement.normalisation == "standing"
    assert plan_with().batches[0].measurement.normalisation == "batch"
    with pytest.raises(GanbenchError, match="normalisation"):
        plan_with(normalisation="running")


def test_baselines_are_known_by_the_weights_and_not_by_where_they_lie(tmp_path: Path) -> None:
    def key(name: str, factor: str) -> str:
        (tmp_path / name).write_text(factor)
        planned = plan_with({"name": "tiles", "weights": str(tmp_path / name)})
        (protocol,) = collect_protocols(planned.batches, PLUGINS).values()
        return protocol.key

    first = key("a", "2")
    assert first == key("b", "2")
    assert first != key("a", "3")
