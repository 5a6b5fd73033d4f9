"""A condition says what it was read from, holds where every comparison does, and nonsense is told where it stands."""

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
    lambda several: Condition(tuple(several))
)


@given(CONDITIONS)
def test_what_is_written_reads_back_the_same(condition: Condition) -> None:
    assert parse(str(condition)) == condition
    assert str(parse(str(condition))) == str(condition)


@given(CONDITIONS)
def test_spaces_between_the_tokens_change_nothing(condition: Condition) -> None:
    wide = "\t and\n ".join(f"  {each.name}   {each.sign}\t{each.bound!r} " for each in condition.comparisons)
    assert parse(wide) == condition


@given(st.one_of(st.text(), st.text(alphabet="ab-._ \t<>=0123456789e+and")))
def test_any_text_is_a_condition_or_one_error_with_its_place(text: str) -> None:
    said = ""
    try:
        again = str(parse(text))
    except GanbenchError as error:
        said, again = str(error), "modes >= 8"
    assert parse(again) == parse(str(parse(again)))
    assert not said or ("at character " in said and 'write it as in "modes >= 8' in said and said.isprintable())


def test_a_condition_names_each_value_once_in_its_order() -> None:
    condition = parse("reverse-kl<-1.5e-3 and modes >= 8 and modes <= 9.")
    assert condition.names == ("reverse-kl", "modes")
    assert str(condition) == "reverse-kl < -0.0015 and modes >= 8 and modes <= 9"


@pytest.mark.parametrize(
    ("sign", "holds"),
    [
        (">", [False, False, True]),
        (">=", [False, True, True]),
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
    ],
)
def test_a_comparison_is_as_strict_as_it_is_written(sign: str, holds: list[bool]) -> None:
    condition = parse(f"modes {sign} 8")
    assert [condition.holds({"modes": value}) for value in (7, 8, 9)] == holds


@pytest.mark.parametrize("sign", sorted(SIGNS))
def test_a_value_that_is_missing_or_nan_never_holds(sign: str) -> None:
    condition = parse(f"modes {sign} 8")
    assert not condition.holds({})
    assert not condition.holds({"modes": math.nan})


def test_every_comparison_must_hold() -> None:
    condition = parse("modes >= 8 and high-quality > .8")
    assert condition.holds({"modes": 8, "high-quality": 0.9, "fid": 3})
    assert not condition.holds({"modes": 8, "high-quality": 0.8})
    assert not condition.holds({"modes": 7, "high-quality": 0.9})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'': at character 1 stands the end, not a metric value's name"),
        ("modes", "at character 6 stands the end, not one of >, >=, <, <="),
        ("modes == 8", "at character 7 stands '==', not one of >, >="),
        ("modes => 8", "at character 7 stands '=>'"),
        ("modes >", "at character 8 stands the end, not a number"),
        ("modes > eight", "at character 9 stands 'eight', not a number"),
        ("modes > nan", "at character 9 stands 'nan', not a number"),
        ("modes > 1e999", "at character 9 stands '1e999', too large"),
        ("modes > 1_000", "at character 9 stands '1_000', not a number"),
        ("8 < modes", "at character 1 stands '8', not a metric value's name"),
        ("modes > 8 or fid < 3", "at character 11 stands 'or', not 'and' or the end"),
        ("modes > 8 and", "at character 14 stands the end, not a metric value's name"),
        ("and > 8", "at character 1 stands 'and', not a metric value's name"),
        ("__import__('os') > 1", "at character 11 stands"),
        ("\x1b[31m > 1", "at character 1 stands '\\x1b[31m'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_the_way_out(text: str, said: str) -> None:
    with pytest.raises(GanbenchError) as caught:
        parse(text)
    assert said in str(caught.value)
