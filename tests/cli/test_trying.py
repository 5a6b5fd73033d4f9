"""`ganbench try`: from a plugin file to the comparison with shipped records, and what it refuses."""

from __future__ import annotations

import ganbench
import pytest
from ganbench.suite import references

from tests.support import terminal
from tests.support.documents import ROOT, find_file, read_blocks
from tests.support.references import make_references

WORDS = ("--jobs", "0", "--device", "cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    """A folder with small references in place of ganbench's own, and a plugin file."""
    folder = tmp_path_factory.mktemp("try")
    with pytest.MonkeyPatch.context() as patch:
        make_references(folder, patch)
        yield folder


@pytest.fixture(scope="module")
def tried(place):
    """The first trial of the loss of the plugin file."""
    ended = terminal.ganbench("try", "mine.py:my-loss", *WORDS, "--report", "page.html", cwd=place)
    assert ended.returncode == 0, ended.stderr
    return ended


def test_a_loss_is_compared_with_the_records_on_every_reference(place, tried):
    assert "my-loss against ns-gan on ring: final sliced-W1" in tried.stdout
    assert "my-loss against ns-gan on many-rings: final sliced-W1" in tried.stdout
    assert "16 matched cells: both sides have a record" in tried.stdout
    assert "## Does this machine reproduce the records of ns-gan?" in tried.stdout
    assert "| ring | 5 | 10 | 5 |" in tried.stdout  # all five scores are equal
    assert "| many-rings | 6 | 6 | 6 |" in tried.stdout
    assert "does not reproduce" not in tried.stderr


def test_the_page_names_the_folder_of_each_trial(place, tried):
    page = (place / "page.html").read_text()
    for folder in ("results/try-my-loss/ring", "results/try-my-loss/many-rings"):
        assert f"ganbench rerun {folder}" in page or folder in page
    assert "my-loss against ns-gan" in page


def test_nothing_is_trained_twice(place, tried):
    again = terminal.ganbench("try", "mine.py", *WORDS, cwd=place)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count(" 0 trials to train") + again.stderr.count("\n0 trials to train") == 4
    assert again.stdout == tried.stdout.removesuffix("page.html\n")


def test_the_suite_of_a_trial_runs_by_itself(place, tried):
    suite = place / "results" / "try-my-loss" / "ring" / "suite.toml"
    ended = terminal.ganbench(
        "run", str(suite), "--results", str(suite.parent), "--plugin", "mine.py", *WORDS, cwd=place
    )
    assert ended.returncode == 0, ended.stderr
    assert "0 trials to train, 10 already stored" in ended.stderr


def test_the_tested_numbers_are_those_of_the_two_folders(place, tried):
    """The comparison of one reference alone is that of `ganbench.compare`."""
    folders = [place / "results" / "try-my-loss" / "ring", references.RECORDS / "ring"]
    comparison = ganbench.compare(*folders, methods=["my-loss", "ns-gan"])
    alone = terminal.ganbench("try", "mine.py", "--on", "ring", *WORDS, cwd=place)
    rate = next(line for line in alone.stdout.splitlines() if line.startswith("| my-loss | 1.5"))
    (table,) = (each for each in comparison.tables if each.title.startswith("Success rates on ring"))
    assert str(table.frame["successes"].iloc[0]) == rate.split("|")[4].strip()


def test_another_base_and_options_are_other_trials(place):
    words = ("try", "mine.py:my-loss", "--from", "wgan-gp", "--option", "slack=0.5", "--on", "ring", "--out", "other")
    ended = terminal.ganbench(*words, *WORDS, cwd=place)
    assert ended.returncode == 0, ended.stderr
    settings = ganbench.read(place / "other" / "ring").methods.iloc[0]
    assert settings["loss.slack"] == 0.5
    assert settings["critic_steps"] == 5


def test_retrain_trains_the_known_method_and_compares_with_that(place):
    words = ("try", "mine.py", "--against", "wgan-gp", "--on", "ring", "--retrain", "--out", "again")
    ended = terminal.ganbench(*words, *WORDS, cwd=place)
    assert ended.returncode == 0, ended.stderr
    assert "my-loss against wgan-gp on ring" in ended.stdout
    assert "reproduce" not in ended.stdout
    trained = ganbench.read(place / "again" / "baselines" / "wgan-gp" / "ring").trials
    assert len(trained) == 10


def test_records_of_another_machine_are_told_with_the_way_out(place, tried, monkeypatch):
    """Here the records are those of another method, under the name of the known one."""
    monkeypatch.setattr("ganbench.statistics.reproduction.rank_sum_test", lambda x, y: 0.001)
    monkeypatch.setattr("ganbench.report.trying.check_reproduction", spoil)
    ended = terminal.ganbench("try", "mine.py", *WORDS, cwd=place)
    assert ended.returncode == 0
    assert "This machine does not reproduce the records of ns-gan on ring and many-rings" in ended.stderr.replace(
        "many-rings and ring", "ring and many-rings"
    )
    assert "--retrain trains ns-gan here" in ended.stderr


def spoil(trained, recorded, rule, method):
    """Return the check of a machine where no score is as recorded."""
    from dataclasses import replace

    from ganbench.statistics.reproduction import check_reproduction

    return replace(check_reproduction(trained, recorded, rule, method), equal=0, p=0.001)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mine.py:other",), "mine.py: no component 'other'"),
        (("none.py:my-loss",), "none.py: no such plugin file"),
        (("ring",), "`ganbench try` compares ways to train"),
        (("mine.py", "--against", "lsgan"), "--against: no method with shipped records 'lsgan'"),
        (("mine.py", "--on", "digits"), "--on: no reference 'digits'"),
        (("mine.py", "--option", "slak=1"), "--option slak=1: no option 'slak'. Did you mean 'slack'"),
        (("ns-gan",), "ns-gan against itself"),
        (("mine.py", "--weight", "2"), "have a weight"),
    ],
)
def test_mistakes_are_answered_before_anything_trains(place, words, told):
    ended = terminal.ganbench("try", *words, "--out", "wrong", *WORDS, cwd=place)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert not (place / "wrong").exists()


def test_the_commands_of_the_page_run(place):
    """Those of docs/how_to/try_a_method.md, on the loss of docs/tutorials/my_own_loss.md."""
    folder = place / "page"
    folder.mkdir()
    (folder / "mine.py").write_text(find_file(ROOT / "docs" / "tutorials" / "my_own_loss.md", "mine.py"))
    blocks = [each for each in read_blocks(ROOT / "docs" / "how_to" / "try_a_method.md") if each.marker == "tested"]
    assert len(blocks) == 2
    for block in blocks:
        _, *words = block.text.split()
        ended = terminal.ganbench(*words, *WORDS, cwd=folder)
        assert ended.returncode == 0, ended.stderr
        assert "squared-hinge against wgan-gp on ring" in ended.stdout
