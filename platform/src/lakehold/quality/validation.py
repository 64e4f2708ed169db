"""Runs a suite's rules on Trino with Great Expectations and says for each whether it is met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lakehold.config import ancestry
from lakehold.config.platform import TrinoAddress
from lakehold.errors import LakeholdError
from lakehold.quality import expectations
from lakehold.quality.finding import Finding, seen
from lakehold.quality.suite import CONDITION, NOT_EMPTY, NOT_EMPTY_EXPECTS, Rule, TableRules

USER = "gates"


def run(table: TableRules, address: TrinoAddress) -> list[Finding]:
    """Evaluate every rule of ``table``: its columns in one query, all numbers in another, examples of what is broken.

    Raises :class:`LakeholdError` when a rule could not be evaluated: that is neither met nor broken.
    """
    gx = expectations.great_expectations()
    wanted = {rule.id: expectations.expectation(gx, rule) for rule in table.rules}
    from lakehold.quality.judge import judge
    from lakehold.quality.onescan import ROWS, prefetch

    with batch(table, address) as engine:
        verdicts = evaluated(table, judge(engine, wanted, prefetch))
        # Unknown when the numbers could not be asked for in one statement.
        rows = engine.known.get(ROWS)
        if rows is None:
            rows = _count(engine.engine, table, rows_of(table))
        unchanged = not rows and bool(table.changed)
        others = _count(engine.engine, table, f"{rows_of(replace(table, changed=''))} LIMIT 1") if unchanged else 0
        return [*findings(table, verdicts, rows), *emptiness(table, rows, others)]


def evaluated(table: TableRules, verdicts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the verdicts; :class:`LakeholdError` when one of them is none."""
    for rule in table.rules:
        if message := verdicts[rule.id].error:
            raise LakeholdError(
                f"The rule {rule.id} on {table.name} could not be evaluated.", why=message, remedy="lakehold doctor"
            )
    return verdicts


def emptiness(table: TableRules, rows: int, others: int = 0) -> list[Finding]:
    """Say what it means that there are no ``rows``: no rows meet every rule about rows, whatever has happened to them.

    Where only changed rows are judged and none are, there must be ``others`` that are as they were.
    """
    if rows:
        return []
    breaks = f"What reads {table.name} finds nothing. If that is right, say `empty: allowed` in the suite."
    rule = Rule(
        id=NOT_EMPTY,
        expect=NOT_EMPTY_EXPECTS,
        arguments={"min_value": 1},
        severity="block",
        breaks=breaks,
        owner=table.owner,
    )
    told = f"no row{f' where {table.rows}' if table.rows else ''}"
    if others:
        told = "no row was added, so there was nothing new to judge"
    elif table.may_be_empty:
        told += ", which the suite allows"
    met = bool(others) or table.may_be_empty
    return [Finding(table=table.name, rule=rule, met=met, seen=told, rows=0, observed="0")]


def findings(table: TableRules, verdicts: Mapping[str, Any], rows: int) -> list[Finding]:
    """Say what the verdicts (by rule id) mean for the rules of ``table``."""
    return [
        Finding(
            table=table.name,
            rule=rule,
            met=verdict.met,
            seen="" if verdict.met else seen(verdict.result),
            rows=rows if verdict.rows is None else verdict.rows,
            unexpected=verdict.unexpected,
            observed=str(verdict.result.get("observed_value", ""))[:200],
        )
        for rule in table.rules
        for verdict in (verdicts[rule.id],)
    ]


@contextmanager
def batch(table: TableRules, address: TrinoAddress) -> Iterator[Any]:
    """Open the rows of ``table`` as the active batch of an engine of Great Expectations."""
    from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData

    from lakehold.quality.onescan import OneScanEngine

    sql = connect(address, table.reads)
    query = rows_of(table)
    try:
        engine = OneScanEngine(engine=sql, columns=_columns(sql, query, table))
        engine.conditions = {
            expectations.query(rule): str(rule.arguments["condition"])
            for rule in table.rules
            # A subquery cannot stand inside an aggregate; such a rule is a query of its own.
            if rule.expect == CONDITION and "select" not in str(rule.arguments["condition"]).lower()
        }
        engine.load_batch_data(
            table.name, SqlAlchemyBatchData(execution_engine=engine, query=query, create_temp_table=False)
        )
        yield engine
    finally:
        sql.dispose()


def rows_of(table: TableRules) -> str:
    """Return the query for the rows a suite is about."""
    condition = f" WHERE {table.where}" if table.where else ""
    return f'SELECT * FROM "{table.reads}"."{table.table}"{condition}'  # noqa: S608 - a suite is code: reviewed


def connect(address: TrinoAddress, schema: str) -> Any:
    """Make an SQLAlchemy engine for Trino as the user of gates; names without a schema are in ``schema``."""
    import requests
    import sqlalchemy as sa

    session = requests.Session()
    # REQUESTS_CA_BUNDLE and proxy variables in the environment would win over what is set here.
    session.trust_env = False
    session.verify = address.ca
    return sa.create_engine(
        sa.URL.create(
            "trino",
            username=USER,
            password=address.passwords[USER],
            host=address.host,
            port=address.port,
            database=f"{address.catalog}/{schema}",
        ),
        connect_args={
            "http_scheme": "https",
            "http_session": session,
            "source": "lakehold-gate",
            "client_tags": ancestry.trino_tags(ancestry.of_environment()),
            # The client would ask first whether the server understands the new ones.
            "legacy_prepared_statements": False,
        },
        # Nor does anything here depend on the server's version or default schema, two queries more.
        _initialize=False,
    )


def _columns(sql: Any, query: str, table: TableRules) -> list[dict[str, Any]]:
    from trino.sqlalchemy.datatype import parse_sqltype

    with _reading(table), sql.connect() as connection:
        answer = connection.exec_driver_sql(f"{query} LIMIT 0")
        described = answer.cursor.description
        answer.close()
    return [{"name": name, "type": parse_sqltype(kind), "primary_key": False} for name, kind, *_ in described]


def _count(sql: Any, table: TableRules, query: str) -> int:
    with _reading(table), sql.connect() as connection:
        counted = f"SELECT count(*) FROM ({query}) AS counted"  # noqa: S608 - a suite is code: reviewed
        return int(connection.exec_driver_sql(counted).scalar())


@contextmanager
def _reading(table: TableRules) -> Iterator[None]:
    import sqlalchemy as sa

    try:
        yield
    except (sa.exc.DBAPIError, OSError) as error:
        why = str(getattr(error, "orig", None) or error)[:500]
        raise LakeholdError(f"The rows of {table.name} cannot be read.", why=why, remedy="lakehold doctor") from error
