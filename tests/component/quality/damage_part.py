"""Runs in the engine environment: delivers damaged days into a shadow of bronze as the job would, and gates them.

    damage_part.py SOURCE_FOLDER

Prints JSON: what the gate says about January undamaged, what became of each damage, and what readers and the
quarantine table have in the end. `jobs/` and this folder are on the path.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import bronze_flights
import pyarrow as pa
import pyarrow.compute as pc
from damage import DAMAGES
from lakehold.config import platform, shadows
from lakehold.pipelines.delivery import flights, references
from lakehold.quality import results, run, suite
from lakehold.quality.outcome import Caller
from lakehold.tables.shadow import Audit, environment
from landed import LandedFile, Refused
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.expressions import EqualTo, In

DAY, AFTER = date(2013, 1, 15), date(2013, 1, 16)
FIRST, END = date(2013, 1, 1), date(2013, 2, 1)
REPOSITORY = Path(__file__).resolve().parents[3]
AUDIT = Audit("damage/by hand", "bronze")


def arrow(body: bytes, day: date) -> pa.Table | Refused:
    """What the job makes of a file."""
    file = LandedFile(bucket="landing", key=bronze_flights.key_of(day), body=body, etag="")
    return bronze_flights.parse_day(file, day)


def load(catalog: Any, source: Path) -> dict[date, bytes]:
    """Publish January, and the airlines."""
    bodies = {day: file.body for file in flights(source) if (day := date.fromisoformat(file.key[8:18])) < END}
    days = {day: arrow(body, day) for day, body in bodies.items()}
    table = new(catalog, "bronze.flights", days[DAY].schema)
    for chosen in ([day for day in days if day < DAY], [DAY], [day for day in days if day > DAY]):
        table.append(pa.concat_tables(days[day] for day in chosen))
    (airlines,) = (file.body for file in references(source) if file.key.endswith("airlines.csv"))
    rows = [line.decode().split(",", 1) for line in airlines.splitlines()[1:]]
    names = pa.table({"carrier": [row[0] for row in rows], "name": [row[1] for row in rows]})
    new(catalog, "bronze.airlines", names.schema).append(names)
    return bodies


def new(catalog: Any, name: str, schema: pa.Schema) -> Any:
    with contextlib.suppress(NoSuchTableError):
        catalog.drop_table(name)
    return catalog.create_table(name, schema=schema)


def gate(known: platform.Platform, catalog: Any, start: date, end: date) -> list[Any]:
    """Judge the suite of bronze, in the shadow when there is one."""
    rules = suite.load(REPOSITORY / "quality", "bronze_flights", start, end, shadows.redirected(os.environ))
    found, _ = run.judge(rules, known, catalog, Caller(dag="damage", run="by hand"))
    return found


def told(found: list[Any]) -> list[dict[str, Any]]:
    """Whatever is not simply met."""
    return [
        {"rule": one.rule.id, "outcome": one.outcome, "seen": one.seen, "moved": one.quarantined}
        for one in found
        if one.outcome != "ok"
    ]


def deliver(known: platform.Platform, catalog: Any, shadow: str, days: dict[date, bytes]) -> dict[str, Any]:
    """Replace days of the shadow by what the job lets through of damaged files, each kind a day, and gate each."""
    became: dict[str, Any] = {}
    tables: dict[str, tuple[date, pa.Table]] = {}
    for kind in DAMAGES:
        day = DAY if kind.stop == "job" else date(2013, 1, 4) + timedelta(days=len(tables))
        read = arrow(kind.apply(days[day], days[day - timedelta(days=1)]), day)
        if isinstance(read, Refused):
            became[kind.kind] = {"job": list(read.reasons)}
        else:
            tables[kind.kind] = (day, read)
    table = catalog.load_table(f"{shadow}.flights")
    replaced = In("flight_date", [day for day, _ in tables.values()])
    table.overwrite(pa.concat_tables(read for _, read in tables.values()), overwrite_filter=replaced)

    def judged(kind: str) -> tuple[str, Any]:
        day, _ = tables[kind]
        return kind, {"gate": told(gate(known, catalog, day, day + timedelta(days=1)))}

    moving = [kind.kind for kind in DAMAGES if kind.stop == "quarantine"]
    with ThreadPoolExecutor(3) as pool:
        became |= pool.map(judged, [kind for kind in tables if kind not in moving])
    # One after the other, because each deletes from the table.
    became |= map(judged, moving)
    return {kind.kind: {**became[kind.kind], "stop": kind.stop, "reason": kind.reason} for kind in DAMAGES}


def more(known: platform.Platform, catalog: Any, shadow: str, day: pa.Table) -> dict[str, Any]:
    """Damage that no file has: a day that is not there, a table that got a column."""
    table = catalog.load_table(f"{shadow}.flights")
    table.delete(EqualTo("flight_date", DAY))
    empty = told(gate(known, catalog, DAY, AFTER))
    table.append(day)
    good = told(gate(known, catalog, DAY, AFTER))
    with table.update_schema() as change:
        from pyiceberg.types import StringType

        change.add_column("gate", StringType())
    return {"empty": empty, "good": good, "drifted": told(gate(known, catalog, DAY, AFTER))}


def main() -> None:
    known = platform.load()
    catalog = results.catalog(known.catalog)
    days = load(catalog, Path(sys.argv[1]))
    undamaged = told(gate(known, catalog, FIRST, END))
    made = [sys.executable, "-m", "lakehold.tables.run", "clone", "--run", AUDIT.run, "--group", AUDIT.group]
    subprocess.run([*made, "--schema", "bronze"], check=True, stdout=sys.stderr)
    unshadowed = dict(os.environ)
    os.environ.update(environment(AUDIT, ["bronze"]))
    shadow = AUDIT.schema("bronze")
    became = deliver(known, catalog, shadow, days)
    others = more(known, catalog, shadow, arrow(days[DAY], DAY))
    published = catalog.load_table("bronze.flights").scan(row_filter=EqualTo("flight_date", DAY)).to_arrow()
    quarantine = catalog.load_table("ops.quarantine_bronze_flights").scan().to_arrow()
    os.environ.clear()
    os.environ.update(unshadowed)
    said = {
        "undamaged": undamaged,
        "became": became,
        **others,
        "published_rows": published.num_rows,
        "published_carriers": sorted(pc.unique(published["carrier"]).to_pylist()),
        "quarantine": quarantine.select(["_run", "_suite", "_rule", "_from", "carrier", "arr_time"]).to_pylist(),
    }
    sys.stdout.write(json.dumps(said, default=str))


if __name__ == "__main__":
    main()
