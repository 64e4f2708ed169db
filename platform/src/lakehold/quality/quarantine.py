"""Moves rows that break a row-level rule out of a shadow, so that the rest can be published.

The rows go to ``ops.quarantine_<schema>_<table>`` with the run, the rule and what it protects, and are then deleted
from the shadow. Readers' own tables are never touched. What was deleted there stays in quarantine when the suite runs
again in the same shadow; what an attempt copied and did not delete is copied again, and not there twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lakehold.config.platform import TrinoAddress
from lakehold.errors import LakeholdError
from lakehold.quality import expectations, scope, validation
from lakehold.quality.finding import Finding
from lakehold.quality.outcome import Caller
from lakehold.quality.suite import CONDITION, Rule, Suite, TableRules

SCHEMA = "ops"
_OWN: Mapping[str, str] = {
    "_quarantined_at": "timestamp(6) with time zone",
    "_run": "varchar",
    "_suite": "varchar",
    "_rule": "varchar",
    "_reason": "varchar",
    "_from": "varchar",
    "_snapshot": "bigint",
}
"""Columns of a quarantine table beside those of its source; ``_from`` is the shadow, which is one run's alone, and
``_snapshot`` the one of it that the rows were read from."""


def apply(
    opened: Any, suite: Suite, table: TableRules, findings: Sequence[Finding], address: TrinoAddress, who: Caller
) -> list[Finding]:
    """Move what may be moved, judge the rest again, and return what was found then.

    When the rows of one rule may not be moved, none are: the run stops anyway.
    """
    broken = [found for found in findings if not found.met and found.rule.quarantine is not None]
    refused = {found.rule.id: why for found in broken if (why := _refusal(table, found))}
    if refused or not broken:
        return [
            replace(found, seen=f"{found.seen}; not moved to quarantine: {refused[found.rule.id]}")
            if found.rule.id in refused
            else found
            for found in findings
        ]
    moved = _move(opened, suite, table, [found.rule for found in broken], address, who)
    return [replace(found, quarantined=moved.get(found.rule.id, 0)) for found in validation.run(table, address)]


def _refusal(table: TableRules, found: Finding) -> str:
    if not table.is_shadow:
        return f"readers see {table.name} already"
    most = found.rule.quarantine or 0
    share = (found.unexpected or 0) / found.rows if found.rows else 1.0
    return f"{share:.2%} of the rows break the rule, more than its {most:.2%}" if share > most else ""


def _move(
    opened: Any, suite: Suite, table: TableRules, rules: Sequence[Rule], address: TrinoAddress, who: Caller
) -> dict[str, int]:
    with validation.batch(table, address) as engine, engine.engine.connect() as connection:
        mover = _Mover(connection, suite, table, [str(column["name"]) for column in engine.columns], who)
        mover.ensure()
        return {rule.id: mover.move(rule, _condition(engine, rule), scope.ancestry(opened, table)) for rule in rules}


class _Mover:
    """Trino statements for one table."""

    def __init__(self, connection: Any, suite: Suite, table: TableRules, columns: Sequence[str], who: Caller) -> None:
        self._connection = connection
        self._suite = suite
        self._table = table
        self._columns = columns
        self._who = who
        self._target = f'"{SCHEMA}"."quarantine_{table.schema}_{table.table}"'
        self._source = f'"{table.reads}"."{table.table}"'

    def ensure(self) -> None:
        """Make the quarantine table, or give it the columns its source has got since."""
        own = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in _OWN.items())
        columns = f"SELECT {own}, t.* FROM {self._source} AS t"  # noqa: S608 - names of a reviewed suite
        self._run(f"CREATE TABLE IF NOT EXISTS {self._target} AS {columns} WITH NO DATA")
        known = {row[0] for row in self._run(f"SHOW COLUMNS FROM {self._target}")}
        kinds = {row[0]: row[1] for row in self._run(f"SHOW COLUMNS FROM {self._source}")}
        for name, kind in {**_OWN, **{name: kinds[name] for name in self._columns}}.items():
            if name not in known:
                self._run(f'ALTER TABLE {self._target} ADD COLUMN "{name}" {kind}')

    def move(self, rule: Rule, condition: str, snapshots: Sequence[int]) -> int:
        """Move the rows that break ``rule`` and return how many; ``snapshots`` of the source, the current one first."""
        now, *before = snapshots
        mine = f"_from = {_text(self._table.reads)} AND _suite = {_text(self._suite.name)} AND _rule = {_text(rule.id)}"
        rows = f"({self._table.rows}) AND ({condition})" if self._table.rows else f"({condition})"
        # What was copied from an earlier snapshot has been deleted since, and is nowhere else. What was copied from the
        # current one has not, and is copied again; anything else is of a shadow that was given up.
        kept = ", ".join(map(str, before or [0]))
        mine += f" AND _snapshot NOT IN ({kept})"
        self._run(f"DELETE FROM {self._target} WHERE {mine}")  # noqa: S608 - our own names and quoted texts
        names = ", ".join(f'"{name}"' for name in self._columns)
        values = ("current_timestamp", *map(_text, self._origin(rule)), str(now))
        chosen = f"SELECT {', '.join(values)}, {names} FROM {self._source} WHERE {rows}"  # noqa: S608 - likewise
        copied = self._count(f"INSERT INTO {self._target} ({', '.join(_OWN)}, {names}) {chosen}")
        deleted = self._count(f"DELETE FROM {self._source} WHERE {rows}")  # noqa: S608 - likewise
        if copied != deleted:
            raise LakeholdError(
                f"{copied} rows of {self._table.name} were copied to {self._target}, but {deleted} deleted.",
                why=f"somebody else writes to {self._table.reads} at the same time",
                remedy="run the group again: its shadow is cloned anew",
            )
        return deleted

    def _origin(self, rule: Rule) -> tuple[str, ...]:
        return (self._who.name, self._suite.name, rule.id, " ".join(rule.breaks.split()), self._table.reads)

    def _run(self, sql: str) -> list[Any]:
        answer = self._connection.exec_driver_sql(sql)
        return list(answer.fetchall()) if answer.returns_rows else []

    def _count(self, sql: str) -> int:
        rows = self._run(sql)
        return int(rows[0][0]) if rows else 0


def _condition(engine: Any, rule: Rule) -> str:
    """Return the SQL condition of the rows that break ``rule``."""
    if rule.expect == CONDITION:
        return str(rule.arguments["condition"])
    from lakehold.quality.onescan import breaking

    return breaking(engine, expectations.expectation(expectations.great_expectations(), rule))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
