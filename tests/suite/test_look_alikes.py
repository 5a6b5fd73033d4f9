"""A name that looks like another is told apart from it by the letter, in errors and in cautions."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from ganbench import GanbenchError
from ganbench.errors import TWINS, fold_look_alikes, suggest, unknown_name
from ganbench.registry import load
from ganbench.suite.loading import parse

from tests.support.bad_suites import TEXT
from tests.support.tiny_suite import plan_small

PLUGINS = load()
METHODS = '"ns-gan", "wgan-gp", "mine"]'


@pytest.mark.parametrize(
    ("wrong", "letter"),
    [
        ("n\u0455-gan", "U+0455, CYRILLIC SMALL LETTER DZE"),
        ("ns\u2011gan", "U+2011, NON-BREAKING HYPHEN"),
        ("ns\u2013gan", "U+2013, EN DASH"),
        ("\uff4es-gan", "U+FF4E, FULLWIDTH LATIN SMALL LETTER N"),
        ("ns-g\u03b1n", "U+03B1, GREEK SMALL LETTER ALPHA"),
    ],
)
def test_an_unknown_name_that_looks_like_a_known_one_names_the_letter(wrong: str, letter: str) -> None:
    with pytest.raises(GanbenchError) as error:
        plan_small(PLUGINS, methods=[wrong], success=None)
    message = str(error.value)
    assert message.startswith(f"s.toml: methods[0]: no method {wrong!r}. Did you mean 'ns-gan'? In {wrong!r}, ")
    assert f"is {letter}." in message


def test_a_pair_that_does_not_name_the_look_alike_names_its_letter() -> None:
    with pytest.raises(GanbenchError, match=r"compare\[0\] .* Did you mean 'n\u0455-gan'\? .* is U\+0455, CYRILLIC"):
        parse(TEXT.replace(METHODS, METHODS.replace("ns-gan", "n\u0455-gan")))


def test_a_dataset_in_another_unicode_form_is_told_apart() -> None:
    rule = {"dataset": "cafe\u0301", "condition": "modes > 1"}
    with pytest.raises(GanbenchError, match=r"Did you mean 'caf\u00e9'.*is U\+0301, COMBINING ACUTE ACCENT"):
        plan_small(PLUGINS, dataset=[{"name": "ring", "label": "caf\u00e9"}], success=[rule])


def test_options_and_keys_are_told_apart_too() -> None:
    assert suggest("m\u043edes", ["modes", "std"]) == (
        " Did you mean 'modes'? In 'm\u043edes', '\u043e' is U+043E, CYRILLIC SMALL LETTER O."
    )


def test_a_plain_misspelling_says_nothing_of_letters() -> None:
    assert str(unknown_name("method", "ns-gna", ["ns-gan"])) == (
        "no method 'ns-gna'. Did you mean 'ns-gan'? Known: ns-gan."
    )
    assert suggest("caf\u00e9s", ["caf\u00e9"]) == " Did you mean 'caf\u00e9'?"


def test_a_message_lists_twenty_known_names_and_counts_the_others() -> None:
    message = str(unknown_name("method", "x", [f"m{i:04}" for i in range(1500)]))
    assert message.endswith("m0018, m0019 and 1,480 more.")


def test_the_twin_of_each_letter_is_one_ascii_character_of_the_same_case() -> None:
    for code, twin in TWINS.items():
        letter = chr(code)
        assert chr(twin).isascii()
        assert not letter.isascii()
        assert letter.isupper() == chr(twin).isupper(), unicodedata.name(letter)
        assert fold_look_alikes(letter) == chr(twin)


def twins(first: str, second: str) -> dict[str, Any]:
    """Return the changes of the small suite that give two different datasets these labels."""
    return {"dataset": [{"name": "ring", "label": first}, {"name": "grid", "label": second}], "success": None}


@pytest.mark.parametrize(
    ("changes", "names", "reason"),
    [
        (twins("ring", "RING"), ["ring", "RING"], "They differ in capitals."),
        (
            twins("ring", "r\u0456ng"),
            ["ring", "r\u0456ng"],
            "is U+0456, CYRILLIC SMALL LETTER BYELORUSSIAN",
        ),
        (twins("caf\u00e9", "cafe\u0301"), ["caf\u00e9", "cafe\u0301"], "U+00E9, LATIN SMALL LETTER E WITH ACUTE"),
        (twins("a-b", "a\u2010b"), ["a-b", "a\u2010b"], "U+2010, HYPHEN."),
        (
            {"success": None, "method": [{"name": "NS-GAN", "from": "wgan-gp"}]},
            ["ns-gan", "NS-GAN"],
            "They differ in capitals.",
        ),
    ],
)
def test_names_that_are_easily_taken_for_each_other_are_a_caution(
    changes: dict[str, Any], names: list[str], reason: str
) -> None:
    found = plan_small(PLUGINS, **changes).cautions
    start = f"{names[0]!r} and {names[1]!r} are easily taken for each other."
    sentence = next(sentence for sentence in found if sentence.startswith(start))
    assert found[sentence] == names
    assert reason in sentence


def test_a_control_of_the_direction_of_text_is_no_part_of_a_name() -> None:
    with pytest.raises(GanbenchError, match=r"label = 'a\\u202eb': a name is 1 to 100 printable characters"):
        plan_small(PLUGINS, **twins("ring", "a\u202eb"))
