"""Publish again and again under a reader's eyes, race two writers, and time a publication of many tables.

    python bench/publishing.py [--runs 200] [--rounds 100]

Starts PostgreSQL, the object store and Trino in a state directory of its own that is removed afterwards. The result is
printed as JSON; ends with exit code 1 when a promise was broken: a reader saw an error or the rows of a run that was
not published, or by a run's tag two runs; a row that was reported published is missing, is there twice, or is there
without having been reported; a refusal does not name the faster run; or publishing 20 tables takes a second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psycopg
from lakehold.cli.sql import connect
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.config.loader import load_settings
from lakehold.local.site import load_site
from lakehold.tables.catalog import publisher_connection
from lakehold.tables.shadow import Audit
from trino.exceptions import Error as TrinoError

CHECKOUT = Path(__file__).resolve().parents[1]
PARTS = CHECKOUT / "tests" / "component" / "tables"
GROUP = "gold"
TABLES = [f"r{number}" for number in range(5)]


class Lake(Protocol):
    """A catalog with its engine, as the tests have one."""

    site: Site

    def part(self, name: str, wanted: Any = None) -> Any:
        """Call a function of ``parts.py``."""

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a program of the engine environment."""


class Bench:
    """A catalog in a state directory of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._described = site.state / "work" / "bench.json"
        self._described.write_text(platform_of(site).dumps(), encoding="utf-8")
        self._described.chmod(0o600)
        self._server = self.start(str(PARTS / "parts.py"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a program of the engine environment; its errors are shown."""
        return subprocess.Popen(
            [str(self.site.pythons["engine"]), *arguments],
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

    def part(self, name: str, wanted: Any = None) -> Any:
        """Call a function of ``parts.py``."""
        if self._server.stdin is None or self._server.stdout is None:
            raise RuntimeError("the engine's process has no pipes")
        self._server.stdin.write(json.dumps([name, wanted]) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def close(self) -> None:
        """End the engine's process."""
        self._server.communicate()


@dataclass
class Seen:
    """What a reader saw: answers, errors, and by what it asked."""

    runs: Counter[int] = field(default_factory=Counter)
    joint: int = 0
    mixed: int = 0
    by_tag: int = 0
    wrong: list[str] = field(default_factory=list)


class Reader:
    """Queries all tables in a loop: one by one, all in one query, and all in one query by the latest run's tag."""

    def __init__(self, site: Site) -> None:
        self.seen = Seen()
        self._site = site
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(ask,)) for ask in (self._single, self._joint)]

    def __enter__(self) -> Reader:
        """Begin to read."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop reading."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self, ask: Callable[[Any], None]) -> None:
        with closing(connect(self._site, "analyst", GROUP)) as connection:
            while not self._over.is_set():
                try:
                    ask(connection)
                except TrinoError as error:
                    self.seen.wrong.append(f"{ask.__name__}: {error}")

    def _single(self, connection: Any) -> None:
        for table in TABLES:
            statement = f"SELECT min(n), max(n), count(*) FROM {table}"  # noqa: S608 - our own names
            low, high, count = connection.cursor().execute(statement).fetchone()
            self.seen.runs[high] += 1
            if low != high or count != 1:
                self.seen.wrong.append(f"{table}: rows of runs {low} to {high}")

    def _joint(self, connection: Any) -> None:
        found = set(self._all(connection, ""))
        self.seen.joint += 1
        self.seen.mixed += len(found) > 1
        self.seen.runs.update(found)
        if tagged := _last(self._site):
            tag, run = tagged
            found = set(self._all(connection, f" FOR VERSION AS OF '{tag}'"))
            self.seen.by_tag += 1
            if found != {run}:
                self.seen.wrong.append(f"by the tag of run {run}: {sorted(found)}")

    @staticmethod
    def _all(connection: Any, version: str) -> list[int]:
        single = ", ".join(f"(SELECT max(n) FROM {table}{version})" for table in TABLES)  # noqa: S608 - our own names
        return list(connection.cursor().execute(f"SELECT {single}").fetchone())


def _last(site: Site) -> tuple[str, int] | None:
    """Return tag and number of the run published last."""
    statement = "SELECT tag, run FROM audit.publications WHERE kind = 'publish' AND run LIKE 'read/%%' "
    with psycopg.connect(publisher_connection(site)) as ledger:
        row = ledger.execute(statement + "ORDER BY happened_at DESC LIMIT 1").fetchone()
    return None if row is None else (row[0], int(row[1].split("/")[1]))


def reading(lake: Lake, runs: int, seed: int = 4) -> dict[str, Any]:
    """Publish ``runs`` times while a reader looks on: a fifth fail their gate, a third are killed while publishing."""
    chance = random.Random(seed)  # noqa: S311 - fates, not secrets
    fates: Counter[str] = Counter()
    lake.part("write", {"run": "read", "tables": [f"{GROUP}.{name}" for name in TABLES], "numbers": [0]})
    with Reader(lake.site) as reader:
        for number in range(1, runs + 1):
            fates[_run(lake, number, chance)] += 1
        # Long enough to see what the last one left.
        time.sleep(1)
    published = {0, *_published(lake.site)}
    seen = reader.seen
    never = sorted(set(seen.runs) - published)
    return {
        "runs": runs,
        "fates": dict(fates),
        "tables": len(TABLES),
        "single_table_answers": sum(seen.runs.values()) - seen.joint,
        "joint_answers": seen.joint,
        "joint_answers_that_mixed_runs": seen.mixed,
        "answers_by_tag": seen.by_tag,
        "violations": [*seen.wrong[:20], *(f"rows of run {run} were seen, which was not published" for run in never)],
    }


def _run(lake: Lake, number: int, chance: random.Random) -> str:
    """Clone, write, and then publish, fail at the gate, or be killed while publishing; returns what became of it."""
    audit = Audit(f"read/{number}", GROUP)
    of = ["--run", audit.run, "--group", audit.group]
    _verb(lake, "clone", *of, "--schema", GROUP)
    shadows = [f"{audit.schema(GROUP)}.{name}" for name in TABLES]
    lake.part("write", {"run": "read", "tables": shadows, "numbers": [number], "replace": True})
    fate = chance.choices(["published", "failed", "killed"], weights=[7, 3, 5])[0]
    if fate == "failed":
        _verb(lake, "discard", "--run", audit.run)
    elif fate == "killed":
        process = lake.start("-m", "lakehold.tables.run", "publish", *of)
        time.sleep(chance.uniform(0.15, 0.6))
        fate = "killed before its end" if process.poll() is None else "published"
        process.kill()
        process.communicate()
        # It may have committed just before; then there is nothing to give up.
        _verb(lake, "discard", "--run", audit.run)
    else:
        _verb(lake, "publish", *of)
    return fate


def _verb(lake: Lake, *arguments: str) -> str:
    code, out, err = lake.part("verb", list(arguments))
    if code:
        raise RuntimeError(f"{arguments}: {code}\n{err}")
    return str(out)


def _published(site: Site) -> set[int]:
    statement = "SELECT run FROM audit.publications WHERE kind = 'publish' AND run LIKE 'read/%%'"
    with psycopg.connect(publisher_connection(site)) as ledger:
        return {int(run.split("/")[1]) for (run,) in ledger.execute(statement)}


def racing(lake: Lake, rounds: int) -> dict[str, Any]:
    """Let two writers publish the same tables against each other, with nobody waiting for anybody."""
    names = ["w0", "w1", "w2"]
    tables = [f"{GROUP}.{name}" for name in names]
    lake.part("write", {"run": "zero", "tables": tables, "numbers": [0]})
    began = time.monotonic()
    writers = [lake.start(str(PARTS / "writer.py"), name, str(rounds), *names) for name in ("one", "two")]
    outcomes = [json.loads(line) for writer in writers for line in writer.communicate()[0].splitlines()]
    published = sorted(outcome["run"] for outcome in outcomes if outcome["published"])
    refused = [outcome for outcome in outcomes if not outcome["published"]]
    wrong = [] if len(outcomes) == 2 * rounds else [f"{len(outcomes)} of {2 * rounds} rounds ended"]
    for outcome in refused:
        named = re.match(r'run "(\w+/\d+)" \(publish at', outcome["why"])
        if named is None or named[1] not in published or named[1].split("/")[0] == outcome["run"].split("/")[0]:
            wrong.append(f"{outcome['run']} was refused without the faster run's name: {outcome['why']}")
    for name, rows in lake.part("read", {"tables": tables}).items():
        if sorted(row[0] for row in rows) != sorted(["zero", *published]):
            wrong.append(f"{name} does not have what was reported published")
    return {
        "writers": 2,
        "rounds_each": rounds,
        "published": len(published),
        "refused_with_the_faster_run_named": len(refused),
        "seconds": round(time.monotonic() - began, 1),
        "violations": wrong,
    }


def timing(lake: Lake, counts: tuple[int, ...] = (1, 5, 20, 80), rows: int = 200_000) -> dict[str, Any]:
    """Time publications of several numbers of tables, and of tables with many rows, as programs and without Python."""
    found: dict[str, Any] = {}
    for count, size in [*((count, 1) for count in counts), (20, rows)]:
        tables = [f"{GROUP}.x{size}_{number:02}" for number in range(count)]
        lake.part("write", {"run": "zero", "tables": tables, "numbers": list(range(size)), "replace": True})
        seconds, programs = [], []
        for number in range(4):
            audit = Audit(f"time/{count}/{size}/{number}", GROUP)
            of = ["--run", audit.run, "--group", audit.group]
            _verb(lake, "clone", *of, "--schema", GROUP)
            shadows = [name.replace(f"{GROUP}.", f"{audit.schema(GROUP)}.") for name in tables]
            lake.part("write", {"run": "x", "tables": shadows, "numbers": [1]})
            began = time.monotonic()
            if number % 2:
                lake.start("-m", "lakehold.tables.run", "publish", *of).communicate()
                programs.append(time.monotonic() - began)
            else:
                _verb(lake, "publish", *of)
                seconds.append(time.monotonic() - began)
        what = f"{count} tables" + ("" if size == 1 else f" of {size:,} rows")
        found[what] = {"seconds": round(min(seconds), 3), "as_a_program": round(min(programs), 3)}
        lake.part("forget", tables)
    slow = {what: value["seconds"] for what, value in found.items() if what.startswith("20 ") and value["seconds"] >= 1}
    return {**found, "violations": [f"publishing {what} took {seconds} s" for what, seconds in slow.items()]}


@contextmanager
def bench() -> Iterator[Bench]:
    """Make an installation with PostgreSQL, the object store and Trino, and take it away."""
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o755)
        environment = {**os.environ, "LAKEHOLD_STATE": str(Path(folder) / "state")}

        def lakehold(*arguments: str) -> None:
            command = [sys.executable, "-m", "lakehold.cli.main", *arguments]
            subprocess.run(command, env=environment, cwd=CHECKOUT, stdout=sys.stderr, check=True)

        try:
            lakehold("up", "trino")
            settings = load_settings(CHECKOUT).model_copy(update={"state": Path(folder) / "state"})
            with closing(Bench(load_site(settings, CHECKOUT))) as made:
                yield made
        finally:
            lakehold("down")


def main() -> int:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="publishing runs under the reader's eyes")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of each of two racing writers")
    args = parser.parse_args()
    with bench() as lake:
        result = {"timing": timing(lake), "racing": racing(lake, args.rounds), "reading": reading(lake, args.runs)}
    sys.stdout.write(json.dumps({**result, "load": os.getloadavg()[0], "cores": os.cpu_count()}, indent=2) + "\n")
    broken = [line for part in result.values() for line in part["violations"]]
    sys.stderr.writelines(f"BROKEN: {line}\n" for line in broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
