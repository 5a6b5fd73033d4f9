"""What the page of 100,000 trials takes, each with six final scores: from the stored results to one HTML file.

    make bench

Like `bench_tables`, it is held against CPU seconds and the most memory of a fresh process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.bench_tables import results as results

SECONDS, GIGABYTES, BYTES = 60.0, 2.5, 2_000_000
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from ganbench.page import write_page

page = write_page([Path(sys.argv[1])], Path(sys.argv[2]))
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"seconds": time.process_time(), "memory": most, "bytes": page.stat().st_size}))
"""


def test_page_of_a_hundred_thousand_trials(benchmark, results, tmp_path: Path) -> None:
    measured = {}

    def write() -> None:
        command = [sys.executable, "-c", PROGRAM, str(results), str(tmp_path / "report.html")]
        measured.update(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))

    benchmark.pedantic(write, rounds=1)
    benchmark.extra_info.update(measured)
    assert measured["seconds"] < SECONDS
    assert measured["memory"] / 2**30 < GIGABYTES
    assert measured["bytes"] < BYTES
    assert "of 100000, chosen evenly" in (tmp_path / "report.html").read_text()
