"""The references: their suites, and the results of these that are shipped."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from ganbench import registry
from ganbench.errors import GanbenchError
from ganbench.results.store import Store, read
from ganbench.runner.references import refuse_stale_records
from ganbench.statistics.final_scores import rule_scores, successes
from ganbench.statistics.reproduction import LEVEL, rank_sum_test
from ganbench.suite import references
from ganbench.suite.candidates import CHECKED_SEEDS
from ganbench.suite.references import Reference, choose_references, list_references

EVERY = list_references()
MOST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def plugins() -> registry.Registry:
    """Return everything that is installed."""
    return registry.load()


@pytest.mark.parametrize("reference", EVERY, ids=lambda each: each.name)
def test_the_records_are_those_of_todays_plan_and_code(reference: Reference, plugins: registry.Registry) -> None:
    """`make records` makes them again."""
    for method in reference.methods:
        refuse_stale_records(reference, method, plugins)
    assert read(reference.records).suite == Path(reference.suite.where).read_text()


@pytest.mark.parametrize("reference", EVERY, ids=lambda each: each.name)
def test_a_reference_has_its_dataset_one_rule_and_facts_of_the_machine(reference: Reference) -> None:
    assert [table.title for table in reference.suite.dataset] == [reference.name]
    assert [rule.dataset for rule in reference.suite.success] == [reference.name]
    assert all(table.from_ is None for table in reference.suite.method)
    with Store(reference.records, readonly=True) as store:
        facts = store.history()[-1].facts
    assert {"python", "system", "cores", "versions"} <= facts.keys()


def test_all_records_take_less_than_two_megabytes_of_a_wheel() -> None:
    files = [path for path in references.RECORDS.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"results.sqlite", "suite.toml"}
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < MOST_BYTES


def test_most_methods_succeed_on_some_trials_of_a_reference_and_not_on_all() -> None:
    for reference in EVERY:
        frames, (rule,) = read(reference.records), reference.suite.success
        table = rule_scores(frames, rule)
        rates = table.assign(success=successes(table, rule.at, rule.primary)).groupby("method")["success"].mean()
        assert len(rates) == len(reference.methods)
        assert rates.between(0, 1, inclusive="neither").sum() >= len(rates) / 2, rates


def test_the_seeds_that_check_a_machine_are_like_the_others() -> None:
    """Otherwise a machine whose trainings resemble the recorded ones seed by seed would raise an alarm."""
    for reference in EVERY:
        frames, (rule,) = read(reference.records), reference.suite.success
        if reference.suite.architectures.sample == 1:
            for _, own in rule_scores(frames, rule).groupby("method"):
                early = own["seed"] < CHECKED_SEEDS
                assert rank_sum_test(own["final"][early], own["final"][~early]) >= LEVEL / len(EVERY)


def test_names_choose_references_and_wrong_ones_are_answered_with_the_right_ones() -> None:
    first, second = EVERY[0], EVERY[1]
    method = first.methods[0]
    assert choose_references("", method, EVERY) == EVERY
    assert choose_references(f"{second.name}, {first.name}", method, EVERY) == [second, first]
    with pytest.raises(GanbenchError, match=f"--on: no reference .rong.*{first.name}"):
        choose_references("rong", method, EVERY)
    with pytest.raises(GanbenchError, match=r"--against: no method with shipped records 'wgan-pg'\. Did you mean"):
        choose_references("", "wgan-pg", EVERY)


def test_records_of_other_code_are_refused_with_the_way_out(
    plugins: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganbench.plan.fingerprint.ENGINE_NUMERICS", -1)
    count = len(EVERY[-1].suite.seed_list)
    with pytest.raises(GanbenchError, match=f"0 have no record and {count} have one of other code.*make records"):
        refuse_stale_records(EVERY[-1], EVERY[-1].methods[0], plugins)


def test_an_installation_without_records_says_so(plugins: registry.Registry, tmp_path: Path) -> None:
    lost = Reference(name=EVERY[0].name, suite=EVERY[0].suite, records=tmp_path / "none")
    with pytest.raises(GanbenchError, match="not in this installation"):
        refuse_stale_records(lost, lost.methods[0], plugins)
