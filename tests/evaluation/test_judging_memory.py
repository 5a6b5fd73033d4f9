"""Judging by FID needs no more memory for more samples, and fits into 2 GB for 8 members of 50,000 images."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def judge(members: int, samples: int, features: int, seconds: int) -> tuple[float, float]:
    """Return the megabytes of a process before it judges, and at its peak."""
    command = [sys.executable, "-m", "tests.support.judging_memory", *map(str, (members, samples, features))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    process = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=seconds
    )
    assert process.returncode == 0, process.stderr[-2000:]
    before, most = map(float, process.stdout.split())
    return before, most


def test_more_samples_take_no_more_memory() -> None:
    """Twelve times as many images of 12 kB, 540 MB in all, are nowhere held; the latents are, 0.7 MB."""
    _, few = judge(4, 1000, 64, 120)
    _, many = judge(4, 12_000, 64, 240)
    assert many - few < 60  # the reference's bytes are 34 MB more


@pytest.mark.large
def test_eight_members_of_50000_images_with_2048_features_are_judged_in_2_gb() -> None:
    before, most = judge(8, 50_000, 2048, 3600)
    sys.stdout.write(f"{before:.0f} MB before, {most:.0f} MB at the peak\n")
    assert most < 2000
