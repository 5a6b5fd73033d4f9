"""A method has one colour, by its place in the suite, and colours differ for colour-blind readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ganbench.report.colours import method_colours, method_styles, order_methods
from ganbench.report.style import COLOURS, DASHES

from tests.support.trials_by_hand import record, results, trial


def test_a_method_has_the_colour_of_its_place_in_the_suite_whatever_was_trained(tmp_path: Path) -> None:
    only_b = results(tmp_path / "b", [record(trial("b"), [1.0])])
    both = results(tmp_path / "both", [record(trial(m), [1.0]) for m in "ba"])
    assert order_methods(both) == ["a", "b"], "the suite's order, not that of the trials"
    assert method_colours(both) == {"a": COLOURS[0], "b": COLOURS[1]} == method_colours(only_b)


def test_methods_that_the_suite_no_longer_has_follow_and_styles_repeat_only_after_twenty_eight(tmp_path: Path) -> None:
    names = [f"m{i:02d}" for i in range(26)]
    frames = results(tmp_path, [record(trial(m), [1.0]) for m in names])
    assert order_methods(frames) == ["a", "b", *names]
    styles = method_styles(frames)
    assert {method: style["color"] for method, style in styles.items()} == method_colours(frames)
    assert len({tuple(style.values()) for style in styles.values()}) == len(styles) == len(COLOURS) * len(DASHES)


def test_colours_differ_for_colour_blind_readers() -> None:
    """Simulated by Vienot et al. 1999: the colours stay distinct for people without red or green cones."""
    linear = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in COLOURS]) ** 2.2
    lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    for blind in ([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]):
        seen = linear @ lms.T @ np.array(blind).T @ np.linalg.inv(lms).T
        gaps = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[~np.eye(len(seen), dtype=bool)]
        assert gaps.min() > 0.08
