"""Let two runs publish the same tables against each other on Iceberg's REST server, a hundred times each.

    python bench/rest_writers.py [--rounds 100]

Starts PostgreSQL, the object store and the server (a fixture of the tests) in a state directory of its own that is
removed afterwards. Twice: with publishers that wait for each other, as those of one installation do, and without, as
those of two would not. The result is printed as JSON; ends with exit code 1 when a row that was reported published is
missing, a row is there twice or without having been reported, or a refusal does not name a run of the other writer.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.config.loader import load_settings
from lakehold.local.site import load_site

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "tests" / "harness"))
from free_ports import free_ports  # noqa: E402  # found by the line above
from rest_catalog import rest_catalog  # noqa: E402  # found by the line above

PARTS = CHECKOUT / "tests" / "component" / "tables"
TABLES = ["a", "b"]


class Engine:
    """Programs of the engine environment, on the outside catalog."""

    def __init__(self, site: Site, address: str) -> None:
        catalog = site.settings.catalog.model_copy(update={"type": "rest", "uri": address})
        outside = dataclasses.replace(site, settings=site.settings.model_copy(update={"catalog": catalog}))
        self._python = str(site.pythons["engine"])
        self._described = site.state / "work" / "outside.json"
        self._described.write_text(platform_of(outside).dumps(), encoding="utf-8")
        self._described.chmod(0o600)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one."""
        return subprocess.Popen(
            [self._python, *arguments],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self._described.parent),
                "PYTHONPATH": str(CHECKOUT / "platform" / "src"),
                "LAKEHOLD_PLATFORM": str(self._described),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def part(self, *calls: tuple[str, Any]) -> list[Any]:
        """Call functions of the tests' parts; what each returned."""
        lines = "".join(json.dumps(call) + "\n" for call in calls)
        process = self.start(str(PARTS / "parts.py"))
        out, _ = process.communicate(lines)
        if process.returncode:
            raise RuntimeError(f"{calls}: exit code {process.returncode}")
        return [json.loads(line) for line in out.splitlines()]


def race(engine: Engine, rounds: int, lock: str) -> dict[str, Any]:
    """Let both writers do their rounds, and count what went wrong."""
    names = [f"gold.{table}" for table in TABLES]
    engine.part(("make_schema", "gold"), ("write", {"run": "zero", "tables": names, "numbers": [0]}))
    writers = [engine.start(str(PARTS / "rest_writer.py"), name, str(rounds), lock, *TABLES) for name in ("one", "two")]
    printed = [process.communicate()[0] for process in writers]
    if any(process.returncode for process in writers):
        raise RuntimeError(f"a writer ended badly: {[process.returncode for process in writers]}")
    outcomes = [json.loads(line) for text in printed for line in text.splitlines()]
    published = [each["run"] for each in outcomes if each["published"]]
    wanted = Counter(["zero", *published])
    wrong = 0
    (found,) = engine.part(("read", {"tables": names}))
    for rows in found.values():
        there = Counter(row[0] for row in rows)
        wrong += (there - wanted).total() + (wanted - there).total()
    nameless = [each for each in outcomes if not each["published"] and not _named(each, outcomes)]
    for each in nameless:
        sys.stderr.write(f"{each}\n")
    engine.part(*(("attempt", {"deed": "drop", "table": name}) for name in names))
    engine.part(("attempt", {"deed": "schema", "table": "gold"}))
    return {
        "rounds": len(outcomes),
        "published": len(published),
        "refused": len(outcomes) - len(published),
        "rows_wrong": wrong,
        "refusals_without_a_name": len(nameless),
        "publish_seconds": round(statistics.median(each["seconds"] for each in outcomes if each["published"]), 3),
    }


def _named(refusal: dict[str, Any], outcomes: list[dict[str, Any]]) -> bool:
    others = [each for each in outcomes if each["run"].split("/")[0] != refusal["run"].split("/")[0]]
    return any(each["run"] in refusal["why"] or each["tag"] in refusal["why"] for each in others)


def main() -> int:
    """Start, race twice, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        state = {"LAKEHOLD_STATE": f"{folder}/state"}
        try:
            _lakehold(state, "up", "postgres", "objectstore")
            site = load_site(load_settings(CHECKOUT, state), CHECKOUT)
            with rest_catalog(site, free_ports(1)[0]) as address:
                engine = Engine(site, address)
                result = {lock: race(engine, rounds, lock) for lock in ("locked", "unlocked")}
        finally:
            _lakehold(state, "down")
    sys.stdout.write(json.dumps(result) + "\n")
    return int(any(each["rows_wrong"] or each["refusals_without_a_name"] for each in result.values()))


def _lakehold(state: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
    subprocess.run(command, env={**os.environ, **state}, cwd=CHECKOUT, stdout=sys.stderr, check=True)


if __name__ == "__main__":
    sys.exit(main())
