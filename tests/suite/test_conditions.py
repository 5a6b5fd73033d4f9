"""Conditions are parsed, evaluated and written back; errors name the position of the mistake."""

from __future__ import annotations

import math

import pytest
from ganbench import GanbenchError
from ganbench.suite.conditions import SIGNS, Comparison, Condition, parse
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[A-Za-z_]([A-Za-z0-9_.-]{0,10}[A-Za-z0-9_])?", fullmatch=True).filter(
    lambda name: name != "and"
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CONDITIONS = st.lists(st.builds(Comparison, NAMES, st.sampled_from(sorted(SIGNS)), NUMBERS), min_size=1).map(
    lambda comparisons: Condition(tuple(comparisons))
)


@given(CONDITIONS)
def test_a_written_condition_parses_to_an_equal_one(condition: Condition) -> None:
    assert parse(str(condition)) == condition
    assert str(parse(str(condition))) == str(condition)


@given(CONDITIONS)
def test_spaces_between_the_tokens_change_nothing(condition: Condition) -> None:
    wide = "\t and\n ".join(f"  {each.name}   {each.sign}\t{each.bound!r} " for each in condition.comparisons)
    assert parse(wide) == condition


@given(st.one_of(st.text(), st.text(alphabet="ab-._ \t<>=0123456789e+and")))
def test_any_text_is_a_condition_or_an_error_with_its_position(text: str) -> None:
    message = ""
    try:
        written = str(parse(text))
    except GanbenchError as error:
        message, written = str(error), "modes >= 8"
    assert parse(written) == parse(str(parse(written)))
    assert not message or (
        "at character " in message and 'write it as in "modes >= 8' in message and message.isprintable()
    )


def test_a_condition_names_each_value_once_in_order() -> None:
    condition = parse("reverse-kl<-1.5e-3 and modes >= 8 and modes <= 9.")
    assert condition.names == ("reverse-kl", "modes")
    assert str(condition) == "reverse-kl < -0.0015 and modes >= 8 and modes <= 9"


@pytest.mark.parametrize(
    ("sign", "expected"),
    [
        (">", [False, False, True]),
        (">=", [False, True, True]),
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
    ],
)
def test_a_comparison_is_strict_or_not_as_its_sign_says(sign: str, expected: list[bool]) -> None:
    condition = parse(f"modes {sign} 8")
    assert [condition.holds({"modes": value}) for value in (7, 8, 9)] == expected


@pytest.mark.parametrize("sign", sorted(SIGNS))
def test_a_comparison_is_false_for_a_missing_value_and_for_nan(sign: str) -> None:
    condition = parse(f"modes {sign} 8")
    assert not condition.holds({})
    assert not condition.holds({"modes": math.nan})


def test_a_condition_is_true_only_if_every_comparison_is() -> None:
    condition = parse("modes >= 8 and high-quality > .8")
    assert condition.holds({"modes": 8, "high-quality": 0.9, "fid": 3})
    assert not condition.holds({"modes": 8, "high-quality": 0.8})
    assert not condition.holds({"modes": 7, "high-quality": 0.9})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'': at character 1: expected a metric value's name, found the end"),
        ("modes", "at character 6: expected one of >, >=, <, <=, found the end"),
        ("modes == 8", "at character 7: expected one of >, >=, <, <=, found '=='"),
        ("modes => 8", "at character 7: expected one of >, >=, <, <=, found '=>'"),
        ("modes >", "at character 8: expected a number, found the end"),
        ("modes > eight", "at character 9: expected a number, found 'eight'"),
        ("modes > nan", "at character 9: expected a number, found 'nan'"),
        ("modes > 1e999", "at character 9: '1e999' is too large"),
        ("modes > 1_000", "at character 9: expected a number, found '1_000'"),
        ("8 < modes", "at character 1: expected a metric value's name, found '8'"),
        ("modes > 8 or fid < 3", "at character 11: expected 'and' or the end, found 'or'"),
        ("modes > 8 and", "at character 14: expected a metric value's name, found the end"),
        ("and > 8", "at character 1: expected a metric value's name, found 'and'"),
        ("__import__('os') > 1", "at character 11: expected"),
        ("\x1b[31m > 1", "at character 1: expected a metric value's name, found '\\x1b[31m'"),
    ],
)
def test_a_wrong_condition_is_an_error_with_its_position_and_the_way_out(text: str, message: str) -> None:
    with pytest.raises(GanbenchError) as error:
        parse(text)
    assert message in str(error.value)
