"""Draw the Dirac-GAN's trajectories (from stored results) and the eigenvalues of its steps (from the suite).

Usage, after `ganbench run suites/dirac.toml`: `python docs/dirac_figure.py results/dirac docs/figures/dirac.png`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import ganbench
import numpy as np
import torch
from ganbench import plan, registry, suite
from ganbench.engine.jacobian import build_first_step, step_jacobian
from ganbench.engine.train import prepare
from matplotlib import pyplot as plt

SUITE = Path(__file__).parents[1] / "suites" / "dirac.toml"
H = 0.2
START = (1.0, -1.0)
ORDERS = {"simultaneous": "#0072b2", "1:1": "#d55e00", "1:5": "#009e73"}  # distinguishable for colour-blind readers too
PANELS = {
    "gan": "GAN",
    "ns-gan": "NS-GAN",
    "wgan": "WGAN, clipped at 1",
    "wgan-gp": "WGAN-GP",
    "unrolled": "unrolled, 5 steps",
    "noise": "instance noise .7",
    "r1": "R1, $\\gamma$ = .3",
    "r1-critical": "R1, $\\gamma$ = 1",
    "consensus": "consensus, $\\gamma$ = 1",
}
LABELS = {  # the label, its position and its alignment, for the upper eigenvalue of each pair
    "gan": ("GAN,\nNS-GAN", (0.1, 0.5), "left"),
    "wgan": ("WGAN", (0.1, 1.0), "left"),
    "noise": ("noise", (-0.3, 0.8), "right"),
    "r1": ("R1, .3", (-0.4, 0.25), "right"),
    "r1-critical": ("R1, 1", (-0.58, 0.0), "right"),
    "consensus": ("consensus", (-0.34, 0.5), "right"),
}
REACHES = {"gan": 3.4, "unrolled": 2.7}
CORNER: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": 7.5}


def trajectories(results: Path) -> dict[str, Any]:
    """Return each method's points (theta, psi), one row for the start and one for each snapshot."""
    frames = ganbench.read(results)
    wide = frames.scores.pivot(index=["key", "step"], columns="name", values="value")
    keys = frames.trials.set_index("method")["key"]
    return {name: np.vstack([START, wide.loc[key, ["theta", "psi"]].to_numpy()]) for name, key in keys.items()}


def eigenvalues(method: str) -> Any:
    """Return the eigenvalues of (J - I) / h at the equilibrium, where J is the Jacobian of the simultaneous step.

    Instance noise is replaced by the two-point distribution of the same variance, which has the same expected Jacobian.
    """
    plugins = registry.load()
    batches = {batch.trials[0].labels["method"]: batch for batch in plan.make(suite.load(SUITE), plugins).batches}
    run = prepare(batches[f"{method} simultaneous"], plugins, torch.device("cpu"), torch.float64)
    step = build_first_step(run, lr=H)
    for sides in step.step_inputs["critic"]["views"].values():
        for draws in sides.values():
            draws["noise"].copy_(torch.tensor([1.0, -1.0]).repeat(len(draws["noise"]) // 2).view_as(draws["noise"]))
    origin = {"theta": torch.zeros(1, dtype=torch.float64)}, {"psi": torch.zeros(1, 1, dtype=torch.float64)}
    return torch.linalg.eigvals((step_jacobian(step, *origin) - torch.eye(2)) / H).numpy()


def draw_method(axes: Any, name: str, points: dict[str, Any]) -> None:
    """Draw one method's trajectories and write their final distances from the equilibrium."""
    reach = REACHES.get(name, 2.1)
    axes.axhline(0, color="0.88", lw=0.8, zorder=0)
    axes.axvline(0, color="0.88", lw=0.8, zorder=0)
    paths = {order: points[f"{name} {order}"] for order in ORDERS if f"{name} {order}" in points}
    for place, (order, path) in enumerate(paths.items()):
        colour = ORDERS[order]
        axes.plot(*path.T, color=colour, lw=0.8, alpha=0.75)
        axes.plot(*path[-1], "o", color=colour, ms=4, zorder=3)
        axes.text(0.99, 0.99 - 0.085 * place, format_distance(path), color=colour, transform=axes.transAxes, **CORNER)
    axes.plot(*START, "o", color="black", ms=4, mfc="white", zorder=4)
    axes.plot(0, 0, "+", color="black", ms=9, mew=1.3, zorder=4)
    axes.set(title=PANELS[name], xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_xticks((-2, 0, 2))
    axes.set_yticks((-2, 0, 2))


def format_distance(path: Any) -> str:
    """Return the distance of the last point from the equilibrium as text with two digits."""
    distance = math.hypot(*path[-1])
    if distance >= 0.01:
        return f"{distance:.2f}"
    mantissa, exponent = f"{distance:.1e}".split("e")
    return f"${mantissa}\\cdot 10^{{{int(exponent)}}}$"


def draw_eigenvalues(axes: Any) -> None:
    """Draw the eigenvalues of the simultaneous steps, over the disc in which steps of size h converge."""
    axes.add_patch(plt.Circle((-1 / H, 0), 1 / H, color="0.93", zorder=0))
    axes.axhline(0, color="0.8", lw=0.8)
    axes.axvline(0, color="0.8", lw=0.8)
    for name, (label, at, side) in LABELS.items():
        values = eigenvalues(name)
        axes.plot(values.real, values.imag, "o", color="black", ms=4.5)
        upper = max(zip(values.real, values.imag, strict=True), key=lambda point: point[1])
        line = {"arrowstyle": "-", "color": "0.4", "lw": 0.7, "shrinkA": 1, "shrinkB": 3}
        axes.annotate(label, upper, at, ha=side, va="center", fontsize=7.5, arrowprops=line)
    axes.set(title="eigenvalues of $(J - I)\\,/\\,h$", xlim=(-1.2, 0.8), ylim=(-1.2, 1.2), box_aspect=1)
    axes.set_xticks((-1, -0.5, 0, 0.5))
    axes.set_yticks((-1, 0, 1), ("$-i$", "0", "$i$"))
    axes.text(-1.15, -1.15, "the steps settle", fontsize=7.5, color="0.4", va="bottom")


def draw_figure(results: Path) -> Any:
    """Draw the whole figure from the results of the suite."""
    plt.rcParams.update({"font.size": 8.5, "axes.titlesize": 9.5, "axes.spines.top": False, "axes.spines.right": False})
    figure, grid = plt.subplots(2, 5, figsize=(11, 5.2), layout="constrained")
    points = trajectories(results)
    for axes, name in zip(grid.flat, PANELS, strict=False):
        draw_method(axes, name, points)
    draw_eigenvalues(grid.flat[-1])
    for axes in grid[1, :4]:
        axes.set_xlabel("$\\theta$")
    for axes in grid[:, 0]:
        axes.set_ylabel("$\\psi$", rotation=0)
    lines = [plt.Line2D([], [], color=colour, lw=1.5) for colour in ORDERS.values()]
    names = ["simultaneous", "alternating, 1 critic step", "alternating, 5 critic steps"]
    marks = [plt.Line2D([], [], color="black", marker=mark, mfc="white", ls="") for mark in ("o", "+")]
    figure.legend(
        [*lines, *marks], [*names, "start", "equilibrium"], loc="outside lower center", ncols=5, frameon=False
    )
    return figure


def main() -> None:
    """Draw the figure of the results folder and the PNG file named on the command line."""
    arguments = argparse.ArgumentParser(description="Draw the Dirac-GAN's trajectories and eigenvalues.")
    arguments.add_argument("results", type=Path, help="the results folder of suites/dirac.toml")
    arguments.add_argument("picture", type=Path, help="the PNG file to write")
    options = arguments.parse_args()
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    draw_figure(options.results).savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
