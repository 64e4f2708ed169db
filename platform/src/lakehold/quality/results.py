"""Keeps what gates found in the Iceberg table ``ops.quality_results``: one row a rule, one commit a gate."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lakehold.config import ancestry
from lakehold.errors import LakeholdError
from lakehold.quality.outcome import Outcome

TABLE = "ops.quality_results"
_ATTEMPTS = 5
_WRITERS = {"commit.retry.num-retries": "20"}
"""Many gates end at the same time, and each is a commit."""


def catalog(properties: Mapping[str, str]) -> Any:
    """Open the catalog that ``properties`` (with ``name``) describe."""
    from pyiceberg.catalog import load_catalog

    # It warns about every namespace property it does not know.
    logging.getLogger("pyiceberg").setLevel(logging.ERROR)
    return load_catalog(**properties)


def record(opened: Any, outcome: Outcome) -> None:
    """Append ``outcome``; makes the table when it is not there.

    Raises :class:`LakeholdError` when it could not be written: a gate that nobody can look up later has not passed.
    """
    import pyarrow as pa
    from pyiceberg.exceptions import CommitFailedException

    rows = pa.Table.from_pylist(_rows(outcome), schema=_schema())
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _table(opened).append(rows, snapshot_properties=ancestry.snapshot_properties("quality.results"))
            return
        except CommitFailedException as error:
            if attempt == _ATTEMPTS:
                raise _lost(error) from error
        except Exception as error:
            # The catalog's driver, the object store's client and the network each have their own.
            raise _lost(error) from error


def _lost(error: Exception) -> LakeholdError:
    return LakeholdError(
        f"What the gate found could not be written to {TABLE}, so it does not count as passed.",
        why=f"{type(error).__name__}: {error}"[:500],
        remedy="lakehold status; run the gate again when the catalog answers",
    )


def _table(opened: Any) -> Any:
    from pyiceberg.exceptions import NoSuchTableError, TableAlreadyExistsError

    try:
        return opened.load_table(TABLE)
    except NoSuchTableError:
        opened.create_namespace_if_not_exists(TABLE.partition(".")[0])
    try:
        # Without partitions: a gate is a dozen rows, and what a file holds is near in time anyway.
        return opened.create_table(TABLE, schema=_iceberg_schema(), properties=_WRITERS)
    except TableAlreadyExistsError:
        return opened.load_table(TABLE)


_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("checked_at", "timestamptz", "When the gate began"),
    ("gate_id", "string", "One run of a gate; its rules share it"),
    ("dag_id", "string", "The DAG, empty when a person ran the gate"),
    ("run_id", "string", "The DAG run"),
    ("task_id", "string", "The task"),
    ("attempt", "int", "The task's attempt, from 1"),
    ("suite", "string", "File name of the suite, without .yml"),
    ("interval_from", "date", "First day of the interval"),
    ("interval_to", "date", "The day after its last"),
    ("engine", "string", "trino or spark"),
    ("table_name", "string", "schema.table, as readers know it"),
    ("read_from", "string", "The schema that was read: a shadow, or the table's own"),
    ("snapshot_id", "long", "The table's snapshot when the gate began"),
    ("rule", "string", "Name of the rule"),
    ("expectation", "string", "What it expects"),
    ("severity", "string", "block or warn"),
    ("owner", "string", "Whom to ask"),
    ("outcome", "string", "ok, quarantined, warn or BLOCK"),
    ("met", "boolean", "Whether the rows that were left meet the rule"),
    ("row_count", "long", "Rows looked at, where the rule is about rows"),
    ("unexpected_count", "long", "Rows that break it"),
    ("quarantined_count", "long", "Rows that broke it and were moved away"),
    ("observed", "string", "The number that was found, for rules about one"),
    ("seen", "string", "What was seen when it was broken"),
    ("seconds", "double", "How long the whole gate took"),
)
"""Name, Iceberg type and meaning of the columns, in order. Only ever add to the end."""


def _rows(outcome: Outcome) -> list[dict[str, Any]]:
    who = outcome.caller
    common = {
        "checked_at": outcome.began,
        "gate_id": outcome.gate,
        "dag_id": who.dag,
        "run_id": who.run,
        "task_id": who.task,
        "attempt": who.attempt,
        "suite": outcome.suite.name,
        "interval_from": outcome.start,
        "interval_to": outcome.end,
        "engine": outcome.engine,
        "seconds": outcome.seconds,
    }
    return [
        {
            **common,
            "table_name": found.table,
            "read_from": outcome.reads(found.table),
            "snapshot_id": outcome.snapshots.get(found.table),
            "rule": found.rule.id,
            "expectation": found.rule.expect,
            "severity": found.rule.severity,
            "owner": found.rule.owner,
            "outcome": found.outcome,
            "met": found.met,
            "row_count": found.rows,
            "unexpected_count": found.unexpected,
            "quarantined_count": found.quarantined,
            "observed": found.observed,
            "seen": found.seen,
        }
        for found in outcome.findings
    ]


def _iceberg_schema() -> Any:
    from pyiceberg import types
    from pyiceberg.schema import Schema

    kinds = {
        "timestamptz": types.TimestamptzType(),
        "string": types.StringType(),
        "int": types.IntegerType(),
        "long": types.LongType(),
        "date": types.DateType(),
        "boolean": types.BooleanType(),
        "double": types.DoubleType(),
    }
    return Schema(
        *(
            types.NestedField(number, name, kinds[kind], required=False, doc=doc)
            for number, (name, kind, doc) in enumerate(_COLUMNS, start=1)
        )
    )


def _schema() -> Any:
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    return schema_to_pyarrow(_iceberg_schema())


def history(opened: Any, *, days: int, **filters: str) -> list[dict[str, Any]]:
    """Return the rules judged in the last ``days``, newest first; ``filters`` give a column and its value."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        table = opened.load_table(TABLE)
    except NoSuchTableError:
        return []
    found = table.scan(row_filter=_filter(days, filters)).to_arrow()
    rows: list[dict[str, Any]] = found.sort_by([("checked_at", "descending")]).to_pylist()
    return rows


def latest(opened: Any, *, days: int, **filters: str) -> list[dict[str, Any]]:
    """Return the rules of the latest run of each suite."""
    rows = history(opened, days=days, **filters)
    newest: dict[str, str] = {}
    for row in rows:
        newest.setdefault(row["suite"], row["gate_id"])
    return [row for row in rows if newest[row["suite"]] == row["gate_id"]]


def passed_snapshot(opened: Any, suite: str, table: str, interval: tuple[date, date] | None) -> int | None:
    """Return the snapshot of ``table`` that ``suite`` last judged in a gate that passed, within 90 days.

    Gates that did not cover ``interval`` do not count: a commit can bring days that none of them has looked at.
    """
    rows = history(opened, days=90, suite=suite)
    stopped = {row["gate_id"] for row in rows if row["outcome"] == "BLOCK"}
    for row in rows:
        covers = interval is None or (row["interval_from"] <= interval[0] and interval[1] <= row["interval_to"])
        if row["table_name"] == table and row["snapshot_id"] is not None and row["gate_id"] not in stopped and covers:
            return int(row["snapshot_id"])
    return None


def _filter(days: int, filters: Mapping[str, str]) -> Any:
    from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual

    since = datetime.now(UTC) - timedelta(days=days)
    expression: Any = GreaterThanOrEqual("checked_at", since.isoformat())
    for name, value in filters.items():
        expression = And(expression, EqualTo(name, value))
    return expression
