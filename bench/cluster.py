"""What the profile `trial` takes on a real cluster: its tests of the installation and of the main job, and their times.

python bench/cluster.py

As root, on what docs/how-to/test-the-chart.md asks for. The images have to be there: make images.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests" / "cluster"


def main() -> None:
    """Run the tests, which fail when something is wrong, and tell what they measured."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(folder) / "measured.json"
        command = [sys.executable, "-m", "pytest", "--numprocesses", "0", "--quiet"]
        subprocess.run(
            [*command, str(TESTS / "test_install.py"), str(TESTS / "test_run.py")],
            env={**os.environ, "MEASURED": str(measured)},
            stdout=sys.stderr,
            check=True,
        )
        numbers = json.loads(measured.read_text(encoding="utf-8"))
    seconds, megabytes = numbers["seconds"], numbers["megabytes"]
    measured_here = {
        "load_before": round(before, 1),
        "install_seconds": round(seconds["helm install, until every pod is ready"], 1),
        "first_day_seconds": round(seconds["flights_daily for a day, the first one"], 1),
        "month_seconds": round(seconds["flights_daily for January"], 1),
        "idle_working_set_gb": round(megabytes["memory at rest, all pods"] / 1000, 2),
    }
    sys.stdout.write(f"{json.dumps(measured_here, indent=2)}\n")


if __name__ == "__main__":
    main()
