"""The list of test modules that a GPU runs is complete: they, and no others, read the device that pytest was given."""

from __future__ import annotations

from pathlib import Path

from tests.device.modules import ELSEWHERE, ROOT, list_modules, list_readers, reads_choice


def test_modules_that_read_the_device_themselves_or_train_small_games_are_listed() -> None:
    modules = list_modules()
    assert {
        "tests/engine/test_graphs.py",  # reads it
        "tests/engine/test_data.py",
        "tests/evaluation/test_moments.py",
        "tests/engine/test_part_clock.py",  # by small_games
    } <= set(modules)
    assert "tests/project/test_house.py" not in modules
    for path in ROOT.glob("tests/**/test_*.py"):
        reads = "test_device.DEVICE" in path.read_text() and path != Path(__file__)
        assert str(path.relative_to(ROOT)) in modules or not reads, path


def test_a_module_that_is_left_out_would_be_listed_otherwise() -> None:
    assert set(list_readers()) >= set(ELSEWHERE)
    assert set(list_readers()) == set(list_modules()) | set(ELSEWHERE)


def test_an_import_by_two_modules_of_support_is_found() -> None:
    assert reads_choice(ROOT / "tests/support/growing_networks.py"), "by small_games"
    assert not reads_choice(ROOT / "tests/support/recorded_graphs.py")
