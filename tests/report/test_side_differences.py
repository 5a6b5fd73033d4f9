"""What differs between the sides of a comparison: the code first, then what is listed, and what is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import ganbench
import pytest
from ganbench.api.trials import Part
from ganbench.errors import GanbenchError
from ganbench.report import Comparison, compare

from tests.support.tiny_suite import suite as tiny_suite
from tests.support.two_sides import BAD, GOOD, RULE, SUITE, find_table, make_folder, two_sides


def kinds(comparison: Comparison) -> list[str]:
    return [each.kind for each in comparison.differences]


# what differs


def test_two_versions_of_a_plugin_file_differ_in_code_first_of_all(tmp_path: Path) -> None:
    """Two real runs: the file, the code of its loss and its changed default are found, and the scores are compared."""
    plugin = (
        "from ganbench import Objective, Offer, hookimpl\n\n\ndef build(margin: float = {0}):\n"
        "    return Objective(lambda real, fake: (fake - {0} * real).mean(), lambda real, fake: -fake.mean())\n\n\n"
        '@hookimpl\ndef ganbench_losses():\n    yield Offer("mine", build, "A loss.")\n'
    )
    suite = tiny_suite(methods=None, method=[{"name": "m", "loss": "mine"}], success=None)
    folders = []
    for version in (1.0, 2.0):
        place = tmp_path / str(version)
        place.mkdir()
        (place / "mine.py").write_text(plugin.format(version))
        ganbench.run(suite, results=place / "r", files=(str(place / "mine.py"),), jobs=0)
        folders.append(place / "r")
    comparison = compare(*folders)
    first = comparison.differences[0]
    assert (first.kind, first.what) == ("code", "the code of loss 'mine'")
    assert all("mine.py (sha256 " in value for value in first.values)
    assert kinds(comparison).count("code") == 1
    assert comparison.tables[0].frame["kind"].iloc[0] == "code"
    assert comparison.matched == 3
    assert find_table(comparison, "Paired scores on ring: modes").frame["n"].tolist() == [3, 3]
    assert find_table(comparison, "Probability").frame["a"].iloc[0] == "1.0/r: m"


def test_the_same_suite_run_twice_differs_in_nothing_and_its_scores_are_equal(tmp_path: Path) -> None:
    suite = tiny_suite(seeds=2, methods=["ns-gan"], success=None, architectures=None)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        ganbench.run(suite, results=folder, jobs=0)
    comparison = compare(*folders)
    assert not set(kinds(comparison)) - {"days"}
    assert (
        "On 2 of the 2 cells all sides have exactly the same scores." in find_table(comparison, "Matched cells").notes
    )
    assert "the same trainings, repeated" in " ".join(comparison.tables[0].notes)


def test_options_versions_machine_and_budget_are_listed_after_the_code(tmp_path: Path) -> None:
    old = {"losses/a": "1" * 64, "numerics": "1"}
    a = make_folder(tmp_path / "A", {"a": [GOOD]}, sources=old, facts={"versions": {"torch": "2.13"}, "cores": 2})
    changed = {"critic_steps": 5, "constraints": (Part("gradient-penalty", weight=10.0),)}
    b = make_folder(
        tmp_path / "B",
        {"a": [GOOD]},
        sources={**old, "losses/a": "2" * 64},
        recipe=changed,
        facts={"versions": {"torch": "2.14"}, "cores": 8},
    )
    differences = [(each.kind, each.what, each.values) for each in compare(a, b).differences]
    assert differences == [
        ("code", "the code of loss 'a'", ("111111111111", "222222222222")),
        ("options", "a: constraints", ("not given", "gradient-penalty")),
        ("options", "a: critic_steps", ("1", "5")),
        ("options", "a: gradient-penalty.weight", ("not given", "10")),
        ("versions", "torch", ("2.13", "2.14")),
        ("machine", "cores", ("2", "8")),
    ]


def test_a_budget_alone_may_differ_because_it_is_the_question(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [BAD] * 2})
    longer = (SUITE + RULE).replace("generator_steps = 100", "generator_steps = 900")
    b = make_folder(tmp_path / "B", {"a": [GOOD] * 2}, suite=longer)
    differences = compare(a, b).differences
    assert [(each.kind, each.values) for each in differences] == [
        ("budget", ("100 generator_steps", "900 generator_steps"))
    ]
    c = make_folder(tmp_path / "C", {"a": [GOOD] * 2}, suite=longer, recipe={"critic_steps": 5})
    with pytest.raises(GanbenchError, match=r"unlike budgets(.|\n)*a: critic_steps: 1 in A, 5 in C(.|\n)*\[budget\]"):
        compare(a, c)


def test_records_of_an_early_version_without_sources_are_compared_by_their_fingerprint(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD], [GOOD])
    with closing(sqlite3.connect(b / "results.sqlite")) as link, link:
        link.execute("UPDATE records SET code = 'other'")
        link.execute("UPDATE plan SET code = 'other'")
    first = compare(a, b).differences[0]
    assert (first.kind, first.values) == ("code", ("c0", "other"))


# what is refused


def test_unlike_measurements_are_refused_with_the_way_out(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [GOOD]})
    fewer = SUITE + RULE + "[measurement]\nsamples = 100\n"
    b = make_folder(tmp_path / "B", {"a": [GOOD]}, measurement="n" * 64, suite=fewer)
    with pytest.raises(GanbenchError, match="unlike protocols") as error:
        compare(a, b)
    text = str(error.value)
    assert "protocol: measurement of fid on ring: mmmmmmmmmmmm in A, nnnnnnnnnnnn in B" in text
    assert "protocol: [measurement] samples: 2000 in A, 100 in B" in text
    assert "ganbench evaluate RESULTS --metric NAME" in text


@pytest.mark.parametrize("data", [Part("ring", options={"modes": 9}), Part("ring", version=2), Part("grid")])
def test_other_data_under_the_same_label_is_refused(tmp_path: Path, data: Part) -> None:
    a, b = make_folder(tmp_path / "A", {"a": [GOOD]}), make_folder(tmp_path / "B", {"a": [GOOD]}, data=data)
    with pytest.raises(GanbenchError, match=r"protocol: dataset ring: ring version 1 in A, .* in B"):
        compare(a, b)


def test_other_content_of_the_data_is_refused(tmp_path: Path) -> None:
    a, b = (make_folder(tmp_path / x, {"a": [GOOD]}, sources={"data": x * 64, "numerics": "1"}) for x in "AB")
    with pytest.raises(GanbenchError, match=r"protocol: content of ring: A{12} in A, B{12} in B"):
        compare(a, b)


def test_a_best_score_is_not_compared_with_one_that_was_measured_at_the_end_only(tmp_path: Path) -> None:
    best = SUITE + RULE.replace("[[success]]", '[[success]]\nat = "best"')
    a = make_folder(tmp_path / "A", {"a": [GOOD]}, suite=best)
    b = make_folder(tmp_path / "B", {"a": [GOOD]}, suite=best, early=None)
    with pytest.raises(GanbenchError, match="at several snapshots in A, at the end only in B"):
        compare(a, b)


def test_a_side_on_which_every_trial_failed_is_no_unlike_protocol(tmp_path: Path) -> None:
    a, b = two_sides(tmp_path, [GOOD] * 6, [BAD] * 6)
    with closing(sqlite3.connect(b / "results.sqlite")) as link, link:
        link.execute("UPDATE records SET status = 'failed', error = 'no memory'")
        link.execute("DELETE FROM scores")
    comparison = compare(a, b)
    assert find_table(comparison, "Probability").frame["wins"].tolist() == [6]
    assert find_table(comparison, "Failures").frame["method"].tolist() == ["B: a"]


def test_the_first_sides_reading_is_used_and_the_others_are_listed(tmp_path: Path) -> None:
    a = make_folder(tmp_path / "A", {"a": [GOOD]})
    other = SUITE + RULE.replace("[20, 10]", "[30, 10]") + "[outcomes]\nexploded = 5.0\n"
    comparison = compare(a, make_folder(tmp_path / "B", {"a": [GOOD]}, suite=other))
    assert [(each.kind, each.what, each.values) for each in comparison.differences] == [
        ("reading", "[outcomes] exploded", ("not given", "5")),
        ("reading", "thresholds of final fid at 10 on ring", ("20, 10", "30, 10")),
    ]
    assert comparison.rules[0].thresholds == (10,)
