"""The page: its sections, its data and its policy, read as text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ganbench.errors import GanbenchError
from ganbench.page import make_page, read_source, write_page
from ganbench.page.assembly import load_bundle
from ganbench.page.trials import MOST_TRIALS
from ganbench.results.store import Store, read
from ganbench.statistics import rate_table, success_curve
from ganbench.suite import restore

from tests.support.pages import EVIL, EVIL_NAME, SUITE, expand, make_record, make_results, plan_trial, read_data
from tests.support.terminal import ganbench
from tests.support.trials_by_hand import scores

SECTIONS = ("verdict", "success", "scores", "survival", "sustained", "courses", "pairs", "factors")
SECTIONS += ("seeds", "costs", "samples", "failures", "sensitivity", "protocol")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_results(tmp_path_factory.mktemp("results") / "study")


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return make_page([read_source(folder)])


def chart_of(page: str, *frames: str) -> dict:
    """Return the data of the first chart that has these frames."""
    return next(chart for chart in read_data(page)[0]["charts"].values() if set(frames) <= set(chart["frames"]))


def test_the_sections_come_in_the_order_that_a_reader_needs(page: str) -> None:
    assert tuple(re.findall(r'<section id="s0-(\w+)"', page)) == SECTIONS
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels)), "no level is skipped"


def test_the_policy_allows_exactly_the_scripts_of_the_page(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts]
    assert len(scripts) == 2
    assert policy == (
        f"default-src 'none'; script-src {' '.join(hashes)} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def test_the_bundle_has_the_vega_lite_that_altair_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("altair.SCHEMA_VERSION", "v5.8.0")
    bundle = load_bundle.__wrapped__()
    assert '"5.21.' in bundle, "the newest of Vega-Lite 5 that every vl-convert has which we allow"
    assert '"6.4.' not in bundle
    monkeypatch.setattr("altair.SCHEMA_VERSION", "v4.17.0")
    with pytest.raises(GanbenchError, match=r"for Vega-Lite 4, .* pip install --upgrade altair vl-convert-python"):
        load_bundle.__wrapped__()


def test_nothing_outside_the_bundle_of_vega_names_another_place(page: str) -> None:
    own = page.replace(load_bundle(), "")
    assert len(own) < len(page) - 500_000, "the bundle is in it as it is"
    assert not re.findall(r"""(?<!\.)(?:src|href|url|action)\s*[=(]\s*["']?(?!#|data:)[\w./]""", own)
    assert "http://" not in own
    assert "https://" not in own


def test_the_same_results_make_the_same_bytes(folder: Path, page: str) -> None:
    assert make_page([read_source(folder)]) == page


def test_the_rates_of_the_page_are_those_of_the_statistics(folder: Path, page: str) -> None:
    frames = read(folder)
    rule = restore(frames.suite).success[0]
    curve = expand(chart_of(page, "curve", "values")["frames"]["curve"])
    expected = success_curve(frames, rule)
    assert curve["method"] == expected["method"].tolist()
    np.testing.assert_allclose(curve["rate"], expected["rate"], rtol=1e-4)
    np.testing.assert_allclose(curve["threshold"], expected["threshold"], rtol=3e-3)
    row = rate_table(frames, rule).query("method == 'bad' and primary").iloc[0]
    assert f"{row['successes']:.0f}</td>" in page


def test_trials_without_a_score_are_crosses_beyond_the_worst_score(page: str) -> None:
    rows = expand(chart_of(page, "rows", "summary")["frames"]["rows"])
    assert sum(rows["none"]) == 2
    assert len(rows["t"]) == 32
    scored = [value for value, none in zip(rows["value"], rows["none"], strict=True) if not none]
    assert {value for value, none in zip(rows["value"], rows["none"], strict=True) if none} == {max(rows["value"])}
    assert max(rows["value"]) > max(scored)


def test_every_failed_trial_is_listed_with_its_reason_and_its_command(folder: Path, page: str) -> None:
    trials = read(folder).trials
    part = page[page.index('id="s0-failures"') : page.index('id="s0-sensitivity"')]
    for key, status in trials.loc[trials["status"].isin(["failed", "diverged"]), ["key", "status"]].to_numpy():
        again = (
            "run study/suite.toml --results study --retry failed,timed-out --only key=" if status == "failed" else ""
        )
        assert f"<code>ganbench {again or 'rerun study '}{key[:12]}</code>" in part
    assert part.count("<code>ganbench") == 2
    assert "it broke" in part
    assert "diverged, non-finite at step" in part


def test_an_outcome_that_no_trial_had_is_told_from_one_that_is_not_known(tmp_path: Path) -> None:
    from tests.support.trials_by_hand import record, results, scores, trial

    calm = {"loss.critic": ([1, 50, 100], [1.0, 1.0, 1.0])}
    records = [record(trial(seed=seed), scores=scores("fid", (9, 9)), signals=calm) for seed in (0, 1)]
    lost = record(trial(seed=2), scores=(), signals={}, status="failed", error="it broke")
    results(tmp_path / "r", [*records, lost])
    page = make_page([read_source(tmp_path / "r")])
    part = page[page.index('id="s0-survival"') : page.index("</section>", page.index('id="s0-survival"'))]
    assert re.findall(r"<p>(.*?)</p>", part) == [
        f"No trial diverged or degraded on {trial().labels['dataset']}, of the 2 of 3 for which it is known.",
        f"Whether a trial collapsed on {trial().labels['dataset']} is not known: what shows it was not stored.",
    ]


def test_courses_have_quartiles_of_all_and_single_trials_with_gaps_for_what_is_no_number(page: str) -> None:
    chart = chart_of(page, "quartiles")
    titles = [each["title"] for each in chart["courses"]["series"]]
    assert titles == ["FID", "loss.generator", "loss.critic"]
    curves = chart["courses"]["curves"]
    assert {curve[0] for curve in curves if curve[1] == 1} == set(range(32)), "every trial has its loss"
    for _, _, grid, values in curves:
        assert len(chart["courses"]["grids"][grid]) == len(values)


def test_architectures_can_be_chosen_by_each_factor_that_varies(page: str) -> None:
    factors = read_data(page)[0]["factors"]
    assert set(factors) == {"generator_depth", "generator_width", "critic_activation"}
    assert set(factors["critic_activation"].values()) == {"relu", "tanh"}
    assert len(factors["generator_depth"]) == 8


def test_text_of_third_parties_is_escaped_everywhere(tmp_path: Path) -> None:
    results = make_results(
        tmp_path / "</script><b>",
        methods=("a", EVIL_NAME),
        dataset=f"d{EVIL_NAME}",
        question=EVIL,
        error=EVIL,
        name=EVIL + "#",
    )
    page = make_page([read_source(results)])
    assert page.count("<script") == page.count("</script>") == 3
    assert "<img src=x" not in page
    assert "<b>" not in page
    assert "49" not in re.findall(r"<title>(.*?)</title>", page)
    assert "{{ 7*7 }}" in page, "shown as it is, not evaluated"
    assert "\u2028" not in page
    assert "\u202e" not in page
    assert read_data(page)[0]["methods"][0] == "a"


def test_several_folders_make_one_page_with_a_part_for_each(folder: Path, tmp_path: Path) -> None:
    other = make_results(tmp_path / "other", architectures=3)
    page = make_page([read_source(folder), read_source(other)])
    assert len(read_data(page)) == 2
    assert re.findall(r'<h2 class="name">(.*?)</h2>', page) == ["study", "other"]
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_suite_of_which_nothing_is_trained_yet_has_a_page(tmp_path: Path) -> None:
    from tests.support.trials_by_hand import results, trial

    results(tmp_path / "empty", [], plan=[trial("a"), trial("b")])
    page = make_page([read_source(tmp_path / "empty")])
    assert "There is no verdict" in page
    assert read_data(page)[0]["charts"] == {}


def test_the_command_writes_the_page_into_the_folder(folder: Path, tmp_path: Path) -> None:
    here = folder.parent
    done = ganbench("report", "study", "--no-samples", cwd=here)
    assert (done.returncode, done.stdout.strip()) == (0, "study/report.html"), done.stderr
    done = ganbench("report", "study", "-o", str(tmp_path / "deep" / "p.html"), cwd=here)
    assert done.returncode == 0, done.stderr
    assert "No models are stored in this folder" in (tmp_path / "deep" / "p.html").read_text()
    done = ganbench("report", "nowhere", cwd=here)
    assert done.returncode == 2
    assert "nowhere: no results here" in done.stderr


def test_a_thousand_trials_make_less_than_two_megabytes_in_ten_seconds(tmp_path: Path) -> None:
    results = make_results(tmp_path / "large", architectures=250)
    load_bundle.cache_clear()
    begun = time.process_time()
    path = write_page([results], tmp_path / "report.html")
    assert time.process_time() - begun < 10
    assert path.stat().st_size < 2_000_000
    data = read_data(path.read_text())[0]
    assert len(expand(data["trials"])["short"]) == 1000


def test_of_more_trials_the_page_shows_whole_pairs_and_says_so(tmp_path: Path) -> None:
    results = make_results(tmp_path / "larger", architectures=400, signals=0)
    page = make_page([read_source(results)])
    trials = expand(read_data(page)[0]["trials"])
    shown = len(trials["short"])
    assert MOST_TRIALS / 2 < shown <= MOST_TRIALS
    assert f"{shown} of 1600, chosen evenly" in page
    sides = [
        {
            (a, s)
            for a, s, m in zip(trials["architecture"], trials["seed"], trials["method"], strict=True)
            if m == method
        }
        for method in ("good", "bad")
    ]
    assert sides[0] == sides[1]
    assert "n = 400 architectures x 2 seeds" in page, "tables are of all trials"


def test_the_data_hold_no_text_that_a_parser_could_take_for_markup(page: str) -> None:
    for text in re.findall(r'class="data">(.*?)</script>', page, re.DOTALL):
        assert not set("<>&") & set(text)
        assert text.isascii()
        json.loads(text)


def test_the_curve_of_a_sustained_rule_is_that_of_sustained_success(tmp_path: Path) -> None:
    """Both trials end below 10; only one was below it at the snapshot before, which its held score tells."""
    plan = [plan_trial("good", place, 0, "ring") for place in (0, 1)]
    courses = ([40.0, 30.0, 20.0, 5.0], [40.0, 9.0, 8.0, 6.0])
    records = [
        make_record(trial, np.random.default_rng(0), 1.0, scores=tuple(scores("fid", course)))
        for trial, course in zip(plan, courses, strict=True)
    ]
    with Store(tmp_path / "r") as store:
        text = SUITE.format(question='"?"', methods='["good"]', dataset='"ring"') + "sustained = 2\n"
        store.begin_run(text, plan, {})
        store.append(records)
    chart = chart_of(make_page([read_source(tmp_path / "r")]), "curve", "values")
    assert expand(chart["frames"]["values"])["v"] == [20, 8]
    assert "threshold of FID (lower is better) at each of the last 2 evaluations" in json.dumps(chart["spec"])
    curve = expand(chart["frames"]["curve"])
    assert [rate for at, rate in zip(curve["threshold"], curve["rate"], strict=True) if 8 < at <= 20] == [0.5]
