from __future__ import annotations

import json
import math
from typing import Any

import pytest
from ganbench.api.schedules import (
    CriticSteps,
    normalise_critic_steps,
    normalise_scalar,
    parse_critic_steps,
    parse_scalar,
)
from ganbench.errors import GanbenchError
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize("value", [0, 3, 0.25, -1.0])
def test_a_number_is_constant_over_the_run(value: float) -> None:
    assert [parse_scalar(value)(share) for share in (0.0, 0.3, 1.0)] == [value] * 3


def test_an_infinite_scalar_is_constant_and_strict_json() -> None:
    assert parse_scalar(math.inf)(0.5) == parse_scalar("inf")(0.5) == math.inf
    assert parse_scalar("-inf")(0.0) == -math.inf
    assert normalise_scalar(math.inf) == normalise_scalar("inf") == "inf"


def test_a_linear_schedule_is_a_straight_line_and_then_stays_at_its_end() -> None:
    noise = parse_scalar({"linear": [0.1, 0.0], "over": 0.5})
    assert [noise(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx(
        [0.1, 0.05, 0.0, 0.0, 0.0], abs=1e-15
    )


def test_a_linear_schedule_without_over_lasts_the_whole_run() -> None:
    assert parse_scalar({"linear": [1, 3]})(0.5) == pytest.approx(2.0, abs=1e-15)


def test_a_cosine_schedule_is_half_a_wave() -> None:
    schedule = parse_scalar({"cosine": [2.0, 0.0]})
    assert [schedule(share) for share in (0.0, 1 / 3, 0.5, 1.0)] == pytest.approx([2.0, 1.5, 1.0, 0.0], abs=1e-12)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_both_ends_of_a_ramp_are_exact(shape: str) -> None:
    schedule = parse_scalar({shape: [0.1, 0.7], "over": 0.3})
    assert (schedule(0.0), schedule(0.3), schedule(1.0)) == (0.1, 0.7, 0.7)


def test_the_wgan_authors_schedule_is_100_in_the_first_25_steps_and_at_every_500th() -> None:
    steps = parse_critic_steps({"steps": [[25, 100], [math.inf, 5]], "every": [500, 100]})
    assert [steps(t) for t in (0, 24, 25, 26, 499, 500, 501, 1000)] == [100, 100, 5, 5, 5, 100, 5, 100]


def test_a_plain_number_of_critic_steps_is_constant() -> None:
    assert {parse_critic_steps(5)(t) for t in range(30)} == {5}
    assert parse_critic_steps(0)(7) == 0


@pytest.mark.parametrize(
    "value", [0.5, math.inf, {"linear": [0.1, 0.0], "over": 0.5}, {"cosine": (1, 0)}, {"linear": [0, 1], "over": 1}]
)
def test_the_plain_form_of_a_scalar_is_strict_json_and_its_own_plain_form(value: Any) -> None:
    plain = normalise_scalar(value)
    assert normalise_scalar(json.loads(json.dumps(plain, allow_nan=False))) == plain
    assert parse_scalar(plain)(0.4) == parse_scalar(value)(0.4)


def test_equal_schedules_have_one_plain_form() -> None:
    assert (
        normalise_scalar({"linear": (1, 0)})
        == normalise_scalar({"linear": [1.0, 0.0], "over": 1})
        == {"linear": [1.0, 0.0], "over": 1.0}
    )
    assert normalise_critic_steps({"steps": [[math.inf, 5]]}) == normalise_critic_steps(5) == 5
    wgan = {"steps": [[25, 100], ["inf", 5]], "every": [500, 100]}
    assert normalise_critic_steps({"steps": ((25, 100), (math.inf, 5)), "every": (500, 100)}) == wgan
    assert normalise_critic_steps(wgan) == wgan


@pytest.mark.parametrize(
    ("value", "fragments"),
    [
        ("fast", ["'fast' is not a number", "{linear = [0.1, 0.0]"]),
        (True, ["True is not a number"]),
        (None, ["None is not a number"]),
        (math.nan, ["NaN"]),
        ({}, ["{}", "{linear ="]),
        ({"linaer": [0, 1]}, ["linaer", "{linear ="]),
        ({"linear": [0, 1], "cosine": [0, 1]}, ["is not a schedule"]),
        ({"linear": [0, 1], "until": 3}, ["until", "is not a schedule"]),
        ({"linear": [1]}, ["[1] is not a pair"]),
        ({"linear": "ab"}, ["'ab' is not a pair"]),
        ({"linear": [0, math.nan]}, ["NaN"]),
        ({"linear": [0, math.inf]}, ["finite"]),
        ({"linear": [0, "x"]}, ["'x' is not a number"]),
        ({"linear": [0, 1], "over": 0}, ["over = 0", "choose 0 < over <= 1"]),
        ({"linear": [0, 1], "over": -0.5}, ["over = -0.5", "before it starts"]),
        ({"linear": [0, 1], "over": 2}, ["over = 2", "after the run"]),
        ({"linear": [0, 1], "over": math.nan}, ["NaN"]),
    ],
)
def test_a_wrong_scalar_is_refused_with_its_value_and_the_allowed_forms(value: Any, fragments: list[str]) -> None:
    with pytest.raises(GanbenchError) as caught:
        parse_scalar(value)
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)


@pytest.mark.parametrize(
    ("value", "fragments"),
    [
        (-1, ["-1 is not an integer >= 0", "{steps = [[25, 100]"]),
        (True, ["True is not an integer"]),
        (2.0, ["2.0 is not an integer"]),
        ("5", ["'5' is not an integer"]),
        ({}, ["{}", "{steps ="]),
        ({"steps": []}, ["is not a schedule"]),
        ({"steps": 5}, ["is not a schedule"]),
        ({"steps": [[math.inf, 5]], "evry": [5, 1]}, ["evry", "is not a schedule"]),
        ({"steps": [25, 100]}, ["25 is not a pair"]),
        ({"steps": [[25, 100]]}, ["from step 25 on", "[inf, n]"]),
        ({"steps": [[25, 100], [25, 3], [math.inf, 5]]}, ["ends before it starts", "must rise"]),
        ({"steps": [[math.inf, 5], [25, 100]]}, ["ends before it starts"]),
        ({"steps": [[0, 100], [math.inf, 5]]}, ["0 is not an integer >= 1"]),
        ({"steps": [[25, -1], [math.inf, 5]]}, ["-1 is not an integer >= 0"]),
        ({"steps": [[2.5, 1], [math.inf, 5]]}, ["2.5 is not an integer"]),
        ({"steps": [[math.nan, 1], [math.inf, 5]]}, ["NaN"]),
        ({"steps": [[math.inf, 5]], "every": 500}, ["500 is not a pair"]),
        ({"steps": [[math.inf, 5]], "every": [0, 100]}, ["0 is not an integer >= 1"]),
        ({"steps": [[math.inf, 5]], "every": [500, 0.5]}, ["0.5 is not an integer >= 0"]),
    ],
)
def test_wrong_critic_steps_are_refused_with_their_value_and_the_allowed_forms(
    value: Any, fragments: list[str]
) -> None:
    with pytest.raises(GanbenchError) as caught:
        parse_critic_steps(value)
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)


PHASES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 4)), max_size=3, unique_by=lambda phase: phase[0])


@given(PHASES, st.integers(0, 4), st.integers(0, 7), st.integers(0, 5), st.integers(0, 60))
def test_totals_and_idle_steps_agree_with_counting(phases, last, period, periodic, steps):
    schedule = CriticSteps((*sorted(phases), (math.inf, last)), period, periodic)
    assert schedule.total(steps) == sum(map(schedule, range(steps)))
    assert schedule.idle == next((step for step in range(100) if schedule(step) == 0), math.inf)
