"""The suite of an import: rules from the command line or a file, and the better direction of each metric."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from ganbench.errors import GanbenchError
from ganbench.imports import Reading
from ganbench.imports.suites import write_suite
from ganbench.plan import make
from ganbench.registry import load
from ganbench.results.store import read
from ganbench.suite.loading import restore
from ganbench.suite.suite import Suite

from tests.support.imported_runs import HEADER, RULE, import_rows, list_rows

ROW = "a,net,0,cifar,score,10,1"


def import_suite(folder: Path, reading: Reading, rows: list[str] | None = None, header: str = HEADER) -> Suite:
    """Return the suite that an import stores."""
    import_rows(folder, rows or list_rows(), reading, header)
    return restore(read(folder).suite)


def test_a_rule_holds_on_every_dataset_that_has_its_metric(tmp_path: Path) -> None:
    rows = [*list_rows(), *(row.replace("cifar", "celeba") for row in list_rows()), "a,net-0,0,ring,kid,1,1"]
    suite = import_suite(tmp_path / "r", Reading(success=["fid=25,30"], primary=[30]), rows)
    assert [(rule.dataset, rule.thresholds, rule.primary) for rule in suite.success] == [
        ("cifar", (30.0, 25.0), 30.0),
        ("celeba", (30.0, 25.0), 30.0),
    ], "the easiest threshold first"


def test_the_suite_is_toml_with_the_names_as_they_are(tmp_path: Path) -> None:
    names = ['a"b', "c\\d", "ü😀", "[x]", "a = 1"]
    rows = [f'"{name.replace(chr(34), chr(34) * 2)}",n,0,cifar,fid,10,{k}' for k, name in enumerate(names)]
    suite = import_suite(tmp_path / "r", Reading(question='Is "this"\nbetter?'), rows)
    assert list(suite.methods) == names
    assert suite.question == 'Is "this"\nbetter?'
    assert tomllib.loads((tmp_path / "r" / "suite.toml").read_text(encoding="utf-8"))["methods"] == names


def test_tables_are_written_as_toml_reads_them() -> None:
    data: dict[str, Any] = {
        "question": "q",
        "seeds": [1, 2],
        "outcomes": {"degraded": 2.0},
        "claim": [{"text": "t", "odd key": {"x.y": [1.5, True]}}, {"text": "u"}],
        "empty": [],
    }
    assert tomllib.loads(write_suite(data)) == data


def test_rules_may_come_from_a_file_and_stay(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        'question = "Held?"\n[outcomes]\ndegraded = 3.0\n[[success]]\ndataset = "cifar"\nmetric = "fid"\n'
        "thresholds = [30]\nsustained = 2\nsmallest_effect = 0.2\n"
    )
    suite = import_suite(tmp_path / "r", Reading(rules=rules))
    (rule,) = suite.success
    assert (suite.question, rule.sustained, rule.smallest_effect, suite.outcomes.degraded) == ("Held?", 2, 0.2, 3.0)
    import_rows(tmp_path / "r", list_rows(seed=1), Reading(question="Again?"))
    again = restore(read(tmp_path / "r").suite)
    assert (again.question, again.success, again.outcomes) == ("Again?", suite.success, suite.outcomes)


def test_new_rules_are_another_reading_of_the_same_runs(tmp_path: Path) -> None:
    import_rows(tmp_path / "r", list_rows())
    changed = import_rows(tmp_path / "r", list_rows(), Reading(success=["fid=40"]))
    assert (changed.new, changed.changed) == (0, True)
    assert "no run is new; how they are read has changed" in list(changed.lines)
    frames = read(tmp_path / "r")
    assert [rule.primary for rule in restore(frames.suite).success] == [40.0]
    assert len(restore(frames.suite).imported) == 1


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (Reading(success=["fid=30,25"]), "which threshold do the tests use? Choose one of 30, 25"),
        (Reading(success=["fid=30"], primary=[20]), "--primary 20: no --success has this threshold"),
        (Reading(success=["fid=low"]), "write a metric and its thresholds, as in fid=30,25"),
        (Reading(success=["fdi=30"]), "no metric 'fdi'. Did you mean 'fid'?"),
        (Reading(success=["fid=30"], compare=[("a", "c")]), "no method of this suite called 'c'"),
        (Reading(compare=[("a", "b")]), "belong to a rule"),
        (Reading(primary=[3]), "belong to a rule"),
        (Reading(neutral=["fid"]), "'fid' is given as --neutral, but the installed metric has 'lower'"),
        (Reading(higher=["kid"]), "--higher: no metric 'kid'"),
        (Reading(higher=["fid"], lower=["fid"]), "'fid' is given as --higher and as --lower"),
        (Reading(rules=Path("none.toml")), "none.toml: cannot be read"),
    ],
)
def test_a_wrong_reading_is_refused(tmp_path: Path, reading: Reading, words: str) -> None:
    with pytest.raises(GanbenchError) as error:
        import_rows(tmp_path / "r", list_rows(), reading)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("methods = ['a']", "no key of rules 'methods'"),
        ("[[success]", "not TOML"),
        ('[[claim]]\ntext = "t"', "rules.toml: claim[0].test: missing"),
        ('[[success]]\ndataset = "cifar"\nmetric = "fid"\nthresholds = [30]\nat = "best"', "scored again on fresh"),
        (
            '[[success]]\ndataset = "cifar"\nmetric = "kid"\nthresholds = [30]',
            "no metric of the imported runs called 'kid'",
        ),
        ('[[success]]\ndataset = "cifar"\ncondition = "modes > 3"', "no metric of the imported runs called 'modes'"),
        ('[[success]]\ndataset = "cifar"\nmetric = "fid"\nthresholds = [30]\nsustained = 9', "at 2 snapshots"),
        ('[[success]]\ndataset = "cifar"\nmetric = "fid"\nthresholds = [20, 30]\nprimary = 30', "rise in difficulty"),
    ],
)
def test_a_wrong_file_of_rules_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(GanbenchError) as error:
        import_rows(tmp_path / "r", list_rows(), Reading(rules=tmp_path / "rules.toml"))
    assert words in str(error.value)


def test_a_metric_without_a_direction_is_refused_until_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match=r"which value of 'score' is better.* as in --lower score"):
        import_rows(tmp_path / "r", [ROW], Reading())
    import_rows(tmp_path / "r", [ROW], Reading(higher=["score"]))
    assert set(read(tmp_path / "r").scores["direction"]) == {"higher"}
    import_rows(tmp_path / "r", [ROW.replace(",0,", ",1,")], Reading())
    assert set(read(tmp_path / "r").scores["direction"]) == {"higher"}, "the folder knows it"


def test_installed_metrics_know_their_direction(tmp_path: Path) -> None:
    rows = [f"a,net,0,cifar,{name},10,1" for name in ("fid", "is", "precision", "critic-loss")]
    import_rows(tmp_path / "r", rows, Reading())
    scores = read(tmp_path / "r").scores.set_index("name")["direction"]
    assert scores.to_dict() == {"fid": "lower", "is": "higher", "precision": "higher", "critic-loss": "neutral"}


def test_the_suite_of_an_import_is_never_planned(tmp_path: Path) -> None:
    suite = import_suite(tmp_path / "r", RULE)
    with pytest.raises(GanbenchError, match=r"trained elsewhere, and imported from r\.csv, so there is nothing"):
        make(suite, load())
