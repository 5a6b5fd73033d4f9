"""Options for `ganbench check`: an offer whose option has no default is not checked, rather than broken.

The command of docs/reference/contracts.md is among them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ganbench import cli
from ganbench.testing.check import check
from ganbench.testing.given_options import parse_value

NEEDY = """
from pathlib import Path

import torch
from ganbench import Example, Objective, Offer, Source, Use, hookimpl
from ganbench.api.offers import Method


def rows(path: str, scale: float = 1.0) -> Source:
    samples = scale * torch.tensor([[float(word)] for word in Path(path).read_text().split()])
    return Source(shape=(1,), size=len(samples), take=lambda i: samples[i], reference=lambda n: samples[:n])


def loss(margin: float) -> Objective:
    def critic(real, fake):
        return (margin - real).relu().mean() + (margin + fake).relu().mean()

    return Objective(critic, lambda real, fake: -fake.mean())


def method(path: str) -> Method:
    return Method(loss=Use("hinge"))


@hookimpl
def ganbench_datasets():
    yield Offer("rows", rows, "Numbers of a file.", metrics=("w1",))


@hookimpl
def ganbench_losses():
    example = Example({"real": [0.0], "fake": [0.0]}, {"critic": 2.0}, source="by hand")
    yield Offer("needy", loss, "A hinge loss with a margin.", reference="none", examples=(example,))


@hookimpl
def ganbench_methods():
    yield Offer("from-file", method, "A recipe that reads a file.")
"""


@pytest.fixture
def needy(tmp_path: Path) -> tuple[str, str]:
    """Return a plugin file whose offers have options without a default, and a data file."""
    plugin, data = tmp_path / "needy.py", tmp_path / "my data.txt"
    plugin.write_text(NEEDY)
    data.write_text("0.5 -1 2.5 3")
    return str(plugin), str(data)


def run_check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *words])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def test_an_offer_whose_option_has_no_default_is_not_checked_rather_than_broken(needy, capsys) -> None:
    code, out, _ = run_check(capsys, needy[0])
    assert code == 0
    assert "dataset 'rows' of needy.py: not checked: option 'path' has no default; --option path=..." in out
    assert "loss 'needy' of needy.py: not checked: option 'margin' has no default; --option margin=..." in out
    assert out.endswith("0 checked, 0 with broken rules, 3 not checked\n")


def test_options_without_a_default_can_be_given(needy, capsys) -> None:
    plugin, data = needy
    code, out, _ = run_check(capsys, plugin, "--option", f"path={data}", "--option", "needy.margin=1")
    assert code == 0, out
    assert "not checked" not in out
    assert out.endswith("3 checked, 0 with broken rules\n")
    (loss,) = (verdict for verdict in check([plugin], ["margin=1"])[0] if verdict.offered.offer.name == "needy")
    assert loss.rules >= 10  # as many as an offer without options has, its example's value and its direction among them


def test_a_given_option_is_what_the_rules_check(needy, capsys) -> None:
    """With a margin of 2 the loss at zero is 4, not the 2 of the example."""
    code, out, _ = run_check(capsys, needy[0], "--option", "margin=2", "--option", "rows.path=no-such-file")
    assert code == 1
    assert "loss 'needy' (margin=2.0): the critic's loss is 4 at" in out
    assert "FileNotFoundError" in out
    assert out.endswith("2 checked, 2 with broken rules, 1 not checked\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path", "write key=value"),
        ("=1", "write key=value"),
        ("pth=x", "no option 'pth'. Did you mean 'path'?"),
        ("row.path=x", "no offer 'row'. Did you mean 'rows'?"),
        ("needy.path=x", "no option 'path'"),
        ("margin=wide", "margin"),
    ],
)
def test_an_option_that_cannot_be_given_is_refused(needy, capsys, text: str, message: str) -> None:
    code, out, err = run_check(capsys, needy[0], "--option", text)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("[1, 2]", [1, 2]),
        ("'3'", "3"),
        ("true", True),
        ("/data/x.csv", "/data/x.csv"),
        ("2020-01-01", "2020-01-01"),
        ("1\nother = 2", "1\nother = 2"),
        ("", ""),
    ],
)
def test_a_value_is_toml_or_else_a_string(text: str, value: object) -> None:
    assert parse_value(text) == value
