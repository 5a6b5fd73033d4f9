"""The verdict in words: each number against one worked out by hand, or by scipy and statsmodels."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from ganbench.report import Verdict, make_verdicts
from ganbench.results.frames import Frames
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from tests.support.trials_by_hand import Success, record, results, trial

INF, NAN = math.inf, math.nan
GOOD, BAD = 1.0, 50.0


def pairs(folder: Path, only_a: int, only_b: int, both: int, neither: int, seeds: int = 1) -> Frames:
    """Return results in which so many architectures have these outcomes by FID < 10, on every seed."""
    outcomes = [(GOOD, BAD)] * only_a + [(BAD, GOOD)] * only_b + [(GOOD, GOOD)] * both + [(BAD, BAD)] * neither
    return results(
        folder,
        [
            record(trial(method, architecture, seed), [fid])
            for architecture, fids in enumerate(outcomes)
            for method, fid in zip("ab", fids, strict=True)
            for seed in range(seeds)
        ],
    )


def only_verdict(frames: Frames, rule: Success | None = None) -> Verdict:
    (verdict,) = make_verdicts(frames, [rule or Success()])
    return verdict


def with_baselines(frames: Frames, direction: str = "lower", **values: float) -> Frames:
    """Return the results with these FIDs of untrained baselines, and with real data at 2."""
    rows = [("real data", False, 2.0), *((name, True, value) for name, value in values.items())]
    samplers, trivial, scores = zip(*rows, strict=True)
    same = {"dataset": "ring", "name": "fid", "direction": direction, "measurement": "m" * 64, "samples": 500}
    return replace(frames, calibration=pd.DataFrame({"sampler": samplers, "trivial": trivial, "value": scores, **same}))


def test_the_first_sentence_is_the_answer_and_the_second_its_test(tmp_path: Path) -> None:
    """14 of 20 against 6: Wilson's intervals by statsmodels; McNemar's exact p is 2 (1 + 10) / 2^10.

    Newcombe's interval by hand, from Wilson's: phi = (5 x 5 - 9 x 1) / sqrt(14 x 6 x 6 x 14), corrected for continuity.
    """
    verdict = only_verdict(pairs(tmp_path, only_a=9, only_b=1, both=5, neither=5))
    assert (verdict.dataset, verdict.pair, verdict.title) == ("ring", ("a", "b"), "a against b on ring: final FID < 10")
    a, b = (proportion_confint(count, 20, method="wilson") for count in (14, 6))
    assert verdict.sentences[0] == (
        f"a succeeds more often than b: 14/20 [{100 * a[0]:.0f}, {100 * a[1]:.0f}] % against "
        f"6/20 [{100 * b[0]:.0f}, {100 * b[1]:.0f}] % of the architectures."
    )
    phi = max(0.0, 5 * 5 - 9 * 1 - 20 / 2) / math.sqrt(14 * 6 * 6 * 14)
    down = math.sqrt((0.7 - a[0]) ** 2 - 2 * phi * (0.7 - a[0]) * (b[1] - 0.3) + (b[1] - 0.3) ** 2)
    up = math.sqrt((a[1] - 0.7) ** 2 - 2 * phi * (a[1] - 0.7) * (0.3 - b[0]) + (0.3 - b[0]) ** 2)
    assert verdict.sentences[1] == (
        f"Success rate of a minus that of b: +40 percentage points, 95% interval [{100 * (0.4 - down):+.0f}, "
        f"{100 * (0.4 + up):+.0f}]; McNemar's exact test: p = {2 * 11 / 2**10:.2g}."
    )
    assert "Median final FID of all trials: a 1, b 50." in verdict.sentences


def test_the_better_method_comes_first_and_the_difference_turns_with_it(tmp_path: Path) -> None:
    verdict = only_verdict(pairs(tmp_path, only_a=0, only_b=8, both=0, neither=2))
    assert verdict.sentences[0].startswith("b succeeds more often than a: 8/10 ")
    assert "Success rate of b minus that of a: +80 percentage points, 95% interval [+" in verdict.sentences[1]


def test_a_difference_that_is_not_shown_is_not_distinguishable_at_this_n(tmp_path: Path) -> None:
    verdict = only_verdict(pairs(tmp_path, only_a=3, only_b=1, both=2, neither=2))
    assert verdict.sentences[0].startswith("a and b are not distinguishable at this n: 5/8 ")
    assert "McNemar's exact test: p = 0.62." in verdict.sentences[1]  # 2 (1 + 4) / 2^4
    assert not any("no test can show" in sentence for sentence in verdict.sentences)


def test_five_units_can_show_no_difference_and_the_verdict_says_so(tmp_path: Path) -> None:
    sentences = only_verdict(pairs(tmp_path, only_a=5, only_b=0, both=0, neither=0)).sentences
    assert "With so few units (n = 5) no test can show a difference: p is 0.0625 or more." in sentences


def test_a_test_without_discordant_pairs_is_undefined(tmp_path: Path) -> None:
    sentences = only_verdict(pairs(tmp_path, only_a=0, only_b=0, both=6, neither=0)).sentences
    assert "McNemar's exact test: undefined, because the two do not differ on any pair." in sentences[1]


def test_several_seeds_are_tested_over_architectures(tmp_path: Path) -> None:
    verdict = only_verdict(pairs(tmp_path, only_a=6, only_b=0, both=1, neither=1, seeds=3))
    assert "21/24 " in verdict.sentences[0]
    assert "of the trials (8 architectures x 3 seeds)." in verdict.sentences[0]
    assert "exact sign-flip test over architectures: p = 0.031." in verdict.sentences[1]  # 2 / 2^6


@pytest.mark.parametrize(
    ("only_a", "both", "neither", "smallest", "words"),
    [
        (0, 30, 30, 0.1, "They are equal within 10 percentage points: the 90% interval"),
        (1, 3, 4, 0.1, "They are not shown to be equal within 10 percentage points either: the 90% interval"),
        (6, 48, 6, 0.25, "The difference is smaller than you care about: the 90% interval"),
        (40, 4, 4, 0.1, "the difference is larger than the smallest one that you care about, 10 percentage points."),
        (8, 4, 8, 0.3, "the difference may be smaller than the smallest one that you care about, 30 percentage points"),
    ],
)
def test_how_a_difference_stands_to_the_smallest_effect_is_a_sentence_of_its_own(
    tmp_path: Path, only_a: int, both: int, neither: int, smallest: float, words: str
) -> None:
    frames = pairs(tmp_path, only_a, 0, both, neither)
    sentence = only_verdict(frames, Success(smallest_effect=smallest)).sentences[2]
    assert words in sentence
    assert ("two one-sided tests at 5%" in sentence) == ("90% interval" in sentence)
    assert not any("you care about" in each or "equal within" in each for each in only_verdict(frames).sentences)


def test_without_compare_the_first_method_is_compared_with_every_other_in_one_family(tmp_path: Path) -> None:
    finals = {"c": [GOOD] * 8, "a": [BAD] * 8, "b": [BAD] * 2 + [GOOD] * 6}
    records = [record(trial(m, i), [fid]) for m, fids in finals.items() for i, fid in enumerate(fids)]
    whole, first, second = make_verdicts(results(tmp_path, records), [Success(compare=())])
    assert (whole.pair, first.pair, second.pair) == (None, ("c", "a"), ("c", "b"))
    adjusted = multipletests([2 / 2**8, 2 / 2**2], method="holm")[1]
    assert f"p = {adjusted[0]:.2g}, adjusted for 2 comparisons (Holm)." in first.sentences[1]
    assert f"p = {adjusted[1]:.2g}, adjusted for 2 comparisons (Holm)." in second.sentences[1]
    assert whole.sentences[0] == "1 of 2 comparisons shows a difference at 5%, adjusted by Holm's method: c over a."


def test_one_method_has_its_rate_and_nothing_to_compare_with(tmp_path: Path) -> None:
    frames = results(tmp_path, [record(trial("a", i), [fid]) for i, fid in enumerate([GOOD, GOOD, BAD, BAD])])
    verdict = only_verdict(frames, Success(compare=()))
    assert verdict.pair is None
    low, high = proportion_confint(2, 4, method="wilson")
    expected = f"a succeeds on 2/4 [{100 * low:.0f}, {100 * high:.0f}] % of the architectures."
    assert verdict.sentences[:2] == (expected, "There is no other method to compare with.")


def test_medians_are_compared_with_the_best_untrained_baseline_and_the_data(tmp_path: Path) -> None:
    frames = with_baselines(pairs(tmp_path, only_a=6, only_b=0, both=0, neither=0), noise=80.0, gaussian=30.0)
    sentences = only_verdict(frames).sentences
    assert "Median final FID of all trials: a 1, b 50; real data, the upper bound, has 2." in sentences
    assert "Only a is better than the best untrained baseline (gaussian, 30)." in sentences
    assert (
        "Both are better than the best untrained baseline (noise, 80)."
        in only_verdict(with_baselines(frames, noise=80.0)).sentences
    )
    assert (
        "Neither is better than the best untrained baseline (oracle, 0.5)."
        in only_verdict(with_baselines(frames, oracle=0.5)).sentences
    )


def test_what_diverged_failed_or_is_not_trained_yet_is_counted(tmp_path: Path) -> None:
    planned = [trial(method, i) for method in "ab" for i in range(4)]
    records = [
        *(record(planned[0], [NAN], diverged_at=3), record(planned[1], status="failed", error="boom")),
        *(record(each, [GOOD]) for each in (planned[2], *planned[4:7])),
    ]
    verdict = only_verdict(results(tmp_path, records, plan=planned))
    assert verdict.sentences[0].startswith("3 of 4 planned pairs are complete; on these, a and b are not distinguish")
    expected = "a: of 4 trials 1 diverged, 1 failed and 1 not trained yet; b: of 4 trials 1 not trained yet."
    assert expected in verdict.sentences


def test_before_anything_is_trained_there_is_no_verdict(tmp_path: Path) -> None:
    frames = results(tmp_path, [], plan=[trial("a"), trial("b")])
    assert only_verdict(frames).sentences[0] == "There is no verdict yet: no pair of a and b is complete."
    (empty,) = make_verdicts(frames, [])
    assert "There is no verdict" in empty.sentences[0]
    assert "0 of 2 planned trials have a record." in empty.sentences


def test_without_success_rules_scores_are_compared_by_the_exact_sign_test(tmp_path: Path) -> None:
    """A is lower on 9 of 10 pairs and B on one; a dead trial of B counts as a pair that A wins."""
    finals = {"a": [1.0] * 9 + [5.0], "b": [*map(float, range(2, 10)), INF, 4.0]}
    records = [record(trial(m, i), [fid]) for m, fids in finals.items() for i, fid in enumerate(fids)]
    (verdict,) = make_verdicts(results(tmp_path, records), [])
    assert verdict.title == "a against b on ring: final FID"
    assert verdict.sentences[0] == (
        "a scores better than b: a has the better final FID on 9 of 10 architectures, b on 1."
    )
    assert verdict.sentences[1].startswith("Median of the paired differences (a minus b): -4.5, 95% interval [")
    assert f"exact sign test: p = {binomtest(9, 10).pvalue:.2g}." in verdict.sentences[1]
    assert "Median final FID of all trials: a 1, b 5.5." in verdict.sentences


def test_names_of_third_parties_are_not_escaped_yet_and_a_stale_trial_is_counted(tmp_path: Path) -> None:
    evil = "[red]x[/red]\x1b[31m"
    plan = [trial(method, code="new") for method in (evil, "b")]
    frames = results(tmp_path, [record(trial(method, code="old"), [GOOD]) for method in (evil, "b")], plan=plan)
    verdict = only_verdict(frames, Success(compare=((evil, "b"),)))
    assert verdict.sentences[0].startswith(f"{evil} and b are not distinguishable at this n")
    assert "2 trials of these are stale: of other code than the plan's." in verdict.sentences
