"""Prove what maintenance promises: a table of 2,000 one-row commits and 200 deletes becomes as fast as a new one.

    python bench/maintenance.py [--commits 2000] [--deletes 200] [--repeat 25]

Starts Trino and what it needs in a state directory of its own that is removed afterwards. The worn table and one with
the same rows written at once take turns, before and after `lakehold tables maintain`; the fastest of each is compared,
for a query that only plans (no file matches) and for one that reads every column of every file. The result is printed
as JSON; ends with exit code 1 when a ratio is above 1.1 after maintenance, rows are lost, a second `maintain` finds
something to do, or `ops.table_maintenance` does not have the numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
PROMISED = 1.1
WORN, NEW = "bronze.worn", "bronze.new"
_DELETES_A_STATEMENT = 10
_LAKEHOLD = [sys.executable, "-m", "lakehold.cli.main"]


def ask(connection: Any, query: str, **names: str) -> list[list[Any]]:
    """Run a query with the tables' names in it."""
    rows: list[list[Any]] = connection.cursor().execute(query.format(worn=WORN, new=NEW, **names)).fetchall()
    return rows


def seconds(connection: Any, query: str, table: str) -> float:
    """Run a query and return how long it took."""
    began = time.perf_counter()
    ask(connection, query, table=table)
    return time.perf_counter() - began


def compare(connection: Any, repeat: int) -> dict[str, float]:
    """Let both tables take turns; milliseconds of the fastest, and worn to new."""
    queries = {
        "planning": """SELECT count(*) FROM {table} WHERE "$path" = ''""",
        "scan": "SELECT count(*), checksum(id), checksum(day), checksum(value) FROM {table}",
    }
    found: dict[str, float] = {}
    for name, query in queries.items():
        times: dict[str, list[float]] = {WORN: [], NEW: []}
        for number in range(repeat + 1):
            for table in (WORN, NEW) if number % 2 else (NEW, WORN):
                times[table].append(seconds(connection, query, table))
        # The first turn warms up.
        worn, new = (min(times[table][1:]) for table in (WORN, NEW))
        found |= {f"{name}_ms": round(1000 * worn, 1), f"{name}_new_ms": round(1000 * new, 1)}
        found[f"{name}_ratio"] = round(worn / new, 3)
    return found


def measured(state: Path, commits: int, deletes: int, repeat: int) -> dict[str, Any]:
    """Start Trino, wear the table out, maintain it, and measure before and after."""
    os.environ["LAKEHOLD_STATE"] = str(state)
    from lakehold.cli import engine
    from lakehold.cli.context import Context
    from lakehold.cli.sql import connect

    try:
        subprocess.run([*_LAKEHOLD, "up", "trino"], cwd=CHECKOUT, stdout=sys.stderr, check=True)
        site = Context().existing_site()
        wear = [str(site.pythons["engine"]), str(CHECKOUT / "bench" / "wear.py"), WORN, str(commits)]
        subprocess.run(wear, env=engine.environment(site), stdout=sys.stderr, check=True)
        with closing(connect(site, "admin")) as connection:
            delete(connection, commits, deletes)
            ask(connection, "CREATE TABLE {new} AS SELECT * FROM {worn}")
            result: dict[str, Any] = {"commits": commits, "deletes": deletes}
            result["files_before"] = files(connection)
            result["before"] = compare(connection, max(3, repeat // 8))
            began = time.monotonic()
            maintain()
            result["maintain_seconds"] = round(time.monotonic() - began, 1)
            result["second"] = maintain().strip()
            result["files_after"] = files(connection)
            result["after"] = compare(connection, repeat)
            result["rows_differ"] = differences(connection)
            result["recorded"] = recorded(connection)
        return result
    finally:
        subprocess.run([*_LAKEHOLD, "down"], cwd=CHECKOUT, stdout=sys.stderr, check=True)


def delete(connection: Any, commits: int, deletes: int) -> None:
    """Delete rows spread over the table, some at a time."""
    ids = [str(number * commits // deletes) for number in range(deletes)]
    for start in range(0, deletes, _DELETES_A_STATEMENT):
        some = ", ".join(ids[start : start + _DELETES_A_STATEMENT])
        ask(connection, "DELETE FROM {worn} WHERE id IN ({some})", some=some)


def maintain() -> str:
    """Run the verb and return what it printed."""
    command = [*_LAKEHOLD, "tables", "maintain", WORN]
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    sys.stderr.write(done.stdout)
    return done.stdout


def files(connection: Any) -> int:
    """Count the data and delete files."""
    return int(ask(connection, 'SELECT count(*) FROM bronze."worn$files"')[0][0])


def differences(connection: Any) -> int:
    """Count the rows only one of the tables has."""
    one = "SELECT * FROM {worn} EXCEPT SELECT * FROM {new}"
    other = "SELECT * FROM {new} EXCEPT SELECT * FROM {worn}"
    return len(ask(connection, one)) + len(ask(connection, other))


_RECORDED = (
    "files_before",
    "files_after",
    "planning_ms_before",
    "planning_ms_after",
    "scan_ms_before",
    "scan_ms_after",
)


def recorded(connection: Any) -> dict[str, Any]:
    """Return the record of the whole."""
    query = "SELECT {columns} FROM ops.table_maintenance WHERE table_name = '{worn}' AND action = 'all'"
    rows = ask(connection, query, columns=", ".join(_RECORDED))
    return dict(zip(_RECORDED, rows[0], strict=True)) if rows else {}


def broken(result: dict[str, Any]) -> list[str]:
    """Say which promises do not hold."""
    promises = {
        "planning": result["after"]["planning_ratio"] <= PROMISED,
        "scan": result["after"]["scan_ratio"] <= PROMISED,
        "no row is lost": result["rows_differ"] == 0,
        "a second run finds nothing to do": "nothing to do" in result["second"],
        "before and after are recorded": len([one for one in result["recorded"].values() if one is not None]) == 6,
    }
    return [promise for promise, holds in promises.items() if not holds]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=2000)
    parser.add_argument("--deletes", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=25)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o711)
        result = measured(Path(folder) / "state", args.commits, args.deletes, args.repeat)
    result["broken"] = broken(result)
    print(json.dumps(result, indent=2))  # noqa: T201 - its result
    return 1 if result["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
