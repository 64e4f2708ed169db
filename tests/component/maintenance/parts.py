"""Run in the engine environment: functions a test calls by name, a line of JSON each way."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
from lakehold.config import platform
from lakehold.errors import LakeholdError
from lakehold.tables import maintenance
from lakehold.tables.maintenance_actions import Workshop
from lakehold.tables.maintenance_history import Record
from lakehold.tables.maintenance_plan import Action
from lakehold.tables.maintenance_run import Run
from lakehold.tables.maintenance_spark import rewrite
from lakehold.tables.maintenance_table import TableWork
from lakehold.tables.measure import EXPIRED, measure
from lakehold.tables.policy import Policy, PolicyFile
from lakehold.tables.references import References
from pyiceberg.catalog import load_catalog
from pyiceberg.transforms import IdentityTransform

sys.path.insert(0, str(Path(__file__).parents[3] / "bench"))
from wear import wear

SCHEMA = pyarrow.schema([("id", pyarrow.int64()), ("day", pyarrow.string()), ("value", pyarrow.float64())])
CATALOG = load_catalog(**platform.load().catalog)


def rows(first: int, count: int = 1) -> pyarrow.Table:
    ids = range(first, first + count)
    values = {"id": list(ids), "day": [f"day {n % 7}" for n in ids], "value": [n / 2 for n in ids]}
    return pyarrow.table(values, schema=SCHEMA)


def worn(wanted: list[Any]) -> None:
    """Make a table of one-row commits: name, commits."""
    name, commits = wanted
    CATALOG.create_namespace_if_not_exists(name.split(".")[0])
    with contextlib.suppress(Exception):
        CATALOG.purge_table(name)
    wear(name, commits)


def ranges(wanted: list[Any]) -> None:
    """Make a table partitioned by day with files of these id ranges: name, [[first, count], …]."""
    name, files = wanted
    CATALOG.create_namespace_if_not_exists(name.split(".")[0])
    table = CATALOG.create_table(name, SCHEMA)
    with table.update_spec() as spec:
        spec.add_field("day", IdentityTransform(), "day")
    for first, count in files:
        ids = range(first, first + count)
        table.append(pyarrow.table({"id": list(ids), "day": ["one"] * count, "value": [0.0] * count}, schema=SCHEMA))


def append(wanted: list[Any]) -> None:
    name, first, count = wanted
    CATALOG.load_table(name).append(rows(first, count))


def delete(wanted: list[Any]) -> None:
    """Delete the row of an id: name, id."""
    name, number = wanted
    CATALOG.load_table(name).delete(f"id = {number}")


def inner(wanted: list[Any]) -> None:
    """Make a table in a namespace of the table's own name, in its folder, as their names suggest: name."""
    (name,) = wanted
    namespace = tuple(name.split("."))
    CATALOG.create_namespace_if_not_exists(namespace)
    folder = CATALOG.load_table(name).location()
    CATALOG.create_table((*namespace, "inner"), SCHEMA, location=f"{folder}/inner").append(rows(0))


def ids(wanted: list[Any]) -> list[int]:
    """Ids of a table, or of one of its refs: name, ref."""
    name, ref = wanted
    table = CATALOG.load_table(name)
    scan = table.scan().use_ref(ref) if ref else table.scan()
    return sorted(scan.to_arrow()["id"].to_pylist())


def tag(wanted: list[Any]) -> None:
    """Tag the current snapshot: name, tag, life in milliseconds."""
    name, label, life = wanted
    table = CATALOG.load_table(name)
    table.manage_snapshots().create_tag(table.metadata.current_snapshot_id, label, life).commit()


def branch(wanted: list[Any]) -> None:
    """Make a branch and append one row to it: name, branch, id."""
    name, label, number = wanted
    table = CATALOG.load_table(name)
    table.manage_snapshots().create_branch(table.metadata.current_snapshot_id, label).commit()
    CATALOG.load_table(name).append(rows(number), branch=label)


def state(wanted: list[Any]) -> dict[str, Any]:
    """Measure a table: name, sections of a policy."""
    name, policy = wanted
    measured = measure(CATALOG.load_table(name), PolicyFile({"defaults": policy}).of(*name.split(".")))
    numbers = {"files": measured.files, "small_files": measured.small_files, "bytes": measured.bytes}
    return json.loads(json.dumps({**asdict(measured), **numbers}, default=str))  # type: ignore[no-any-return]


def files(wanted: list[Any]) -> list[str]:
    """Every file a table leads to, now: name."""
    table = CATALOG.load_table(wanted[0])
    return sorted(References().reach(table.io, table.metadata, table.metadata_location).all())


def location(wanted: list[Any]) -> str:
    return str(CATALOG.load_table(wanted[0]).location())


def verb(wanted: list[str]) -> list[Any]:
    """Run the program: exit code, what it printed, its errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = maintenance.main(wanted)
    return [code, out.getvalue(), err.getvalue()]


def records(wanted: list[Any]) -> list[dict[str, Any]]:
    """What is recorded of a table: name."""
    found = CATALOG.load_table("ops.table_maintenance").scan().to_arrow().to_pylist()
    mine = [row for row in found if row["table_name"] == wanted[0]]
    return json.loads(json.dumps(sorted(mine, key=lambda row: row["ended_at"]), default=str))  # type: ignore[no-any-return]


def known_since(wanted: list[Any]) -> None:
    """Record that a table was seen so many days ago: name, days."""
    name, days = wanted
    at = datetime.now(UTC) - timedelta(days=days)
    run = Run(platform.load(), PolicyFile({}))
    identifier = str(CATALOG.load_table(name).metadata.table_uuid)
    seen = {"action": "seen", "engine": "", "outcome": "done", "reason": "", "started_at": at, "ended_at": at}
    run.history.add([Record(run_id=uuid.uuid4().hex, table_name=name, table_uuid=identifier, **seen)])


def by_spark(wanted: list[Any]) -> None:
    """Have Spark do an action, whether it pays or not: name, kind, sections of a policy."""
    name, kind, sections = wanted
    policy = PolicyFile({"defaults": sections}).of(*name.split("."))
    rewrite(platform.load(), kind, measure(CATALOG.load_table(name), policy), policy, 240)


def stale(wanted: list[Any]) -> list[str]:
    """Expire a table's snapshots as they were read before another commit; what came of it: name."""
    name = wanted[0]
    run = Run(platform.load(), PolicyFile({}))
    policy = Policy.model_validate({"snapshots": {"keep": "0s", "most": 1}})
    before = CATALOG.load_table(name)
    measured = measure(before, policy)
    tagged = CATALOG.load_table(name)
    oldest = min(tagged.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number)
    tagged.manage_snapshots().create_tag(oldest.snapshot_id, "meanwhile").commit()
    action = Action(kind="expire", engine="pyiceberg", reason="")
    try:
        run.workshop.do(action, before, measured, policy, 60)
    except LakeholdError as error:
        return [type(error).__name__, str(error)]
    return ["done"]


def erased(wanted: list[Any]) -> list[str]:
    """Do an action that deletes while the table is renamed, or not listed at all; what came of it: name, kind, how."""
    name, kind, how = wanted
    policy = Policy.model_validate({"snapshots": {"readers": "0s"}})
    run = Run(platform.load(), PolicyFile({}))
    table = CATALOG.load_table(name)
    if how == "renamed":
        load = run.catalog.load_table

        def renaming(identifier: Any) -> Any:
            """Between the listing and the reading of the first table, which is another one."""
            if CATALOG.table_exists(name):
                CATALOG.rename_table(name, f"{name}_renamed")
            return load(identifier)

        run.catalog.load_table = renaming
    else:
        run.workshop = Workshop(platform.load(), run.catalog, list, lambda _: None)
    try:
        run.workshop.do(Action(kind=kind, engine="pyiceberg", reason=""), table, measure(table, policy), policy, 60)
    except LakeholdError as error:
        return [type(error).__name__, str(error)]
    return ["done"]


def overtaken(wanted: list[Any]) -> list[str]:
    """Plan a sweep, have another run sweep and expire anew, then work the plan off; how its actions ended: name."""
    name = wanted[0]
    schema, _, short = name.partition(".")
    snapshots = {"keep": "0s", "most": 1, "excess": 1, "readers": "1h"}
    never = {"compaction": {"least": 10_000}, "manifests": {"least": 10_000}}
    policies = PolicyFile({"defaults": {"snapshots": snapshots, **never}})
    table = CATALOG.load_table(name)
    note = json.loads(table.metadata.properties[EXPIRED])
    with table.transaction() as transaction:
        transaction.set_properties({EXPIRED: json.dumps({**note, "at_ms": note["at_ms"] - 2 * 3600_000})})
    night, person = Run(platform.load(), policies), Run(platform.load(), policies)
    surveyed = night.survey(schema, short)
    by_hand = [outcome.action.kind for outcome in person.maintain([(schema, short)]) if outcome.action]
    work = TableWork(night, surveyed, night.budget)
    late = [f"{outcome.action.kind} {outcome.outcome}" for outcome in work.outcomes() if outcome.action]
    return [*by_hand, *late]


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    each.__name__: each
    for each in (
        worn,
        ranges,
        append,
        ids,
        tag,
        branch,
        state,
        files,
        location,
        verb,
        records,
        known_since,
        by_spark,
        stale,
        erased,
        overtaken,
        delete,
        inner,
    )
}


def main() -> None:
    """Answer line by line until the input ends."""
    for line in sys.stdin:
        name, wanted = json.loads(line)
        answer = FUNCTIONS[name](wanted)
        sys.__stdout__.write(json.dumps(answer) + "\n")  # type: ignore[union-attr]  # there is one
        sys.__stdout__.flush()  # type: ignore[union-attr]  # there is one


if __name__ == "__main__":
    main()
