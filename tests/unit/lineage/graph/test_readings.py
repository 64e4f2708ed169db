from typing import Any

import pytest
from lakehold.lineage.graph.names import canonical
from lakehold.lineage.graph.readings import SqlReader, Statement, raw_names, statement_of, tells_of_writing, written
from lakehold.lineage.model import Column, Reading, Table

FLIGHTS = Table("lakehouse", "silver.flights")
COLUMNS = {"silver.flights": ["origin", "delay"]}


def statement(text: str) -> Statement:
    return Statement(text=text, dialect="trino", schema="silver")


def merged(query: str = "", outputs: list[dict[str, Any]] | None = None, **rest: Any) -> dict[str, Any]:
    event: dict[str, Any] = {"producer": "trino", "job": {"facets": {"sql": {"query": query}}}, "run": {"facets": rest}}
    return {**event, "inputs": [], "outputs": outputs or []}


def resolve(namespace: str, name: str) -> Table:
    return canonical(namespace, name, "lakehouse")


def test_a_statement_is_read_once_while_its_tables_stay_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from lakehold.lineage.columns import sql

    calls = []
    read = sql.read
    monkeypatch.setattr(sql, "read", lambda *given, **named: calls.append(1) or read(*given, **named))
    reader, star = SqlReader("lakehouse"), statement("CREATE TABLE gold.x AS SELECT * FROM silver.flights")
    first = reader.read(star, COLUMNS)
    assert isinstance(first, Reading)
    assert reader.read(star, COLUMNS) is first
    assert len(calls) == 1
    wider = reader.read(star, {"silver.flights": ["origin", "delay", "dest"]})
    assert isinstance(wider, Reading)
    assert {edge.target.name for edge in wider.edges} == {"origin", "delay", "dest"}


def test_what_cannot_be_read_is_its_reason_and_a_query_is_nothing() -> None:
    reader = SqlReader("lakehouse")
    assert isinstance(reader.read(statement("INSERT INTO )("), COLUMNS), str)
    assert reader.read(statement("SELECT origin FROM silver.flights"), COLUMNS) is None


def test_shadows_in_a_statement_have_the_names_of_their_targets() -> None:
    text = 'CREATE TABLE "lakehouse"."gold__audit_0123456789"."x" AS SELECT 1 FROM `silver__audit_0123456789`.flights'
    found = statement_of(merged(text, lakehold_query={"schema": "gold__audit_0123456789"}))
    assert found is not None
    assert found.text == 'CREATE TABLE "lakehouse"."gold"."x" AS SELECT 1 FROM `silver`.flights'
    assert (found.schema, found.dialect) == ("gold", "trino")


def test_without_a_word_about_columns_only_names_are_believed() -> None:
    event = merged(outputs=[{"namespace": "lakehouse", "name": "gold.x"}])
    event["inputs"] = [{"namespace": "lakehouse", "name": name} for name in ("silver.flights", "gold.x")]
    (found,) = written(event, resolve, None)
    assert (found.first, found.told) == ("names", True)
    assert found.reading.inputs == {FLIGHTS}
    event["inputs"] = []
    (found,) = written(event, resolve, None)
    assert not found.told


def test_a_column_that_stays_what_it_was_is_no_edge() -> None:
    text = "INSERT INTO silver.flights SELECT origin, delay + 1 FROM silver.flights"
    by_sql = SqlReader("lakehouse").read(statement(text), COLUMNS)
    assert isinstance(by_sql, Reading)
    (found,) = written(merged(text, [{"namespace": "lakehouse", "name": "silver.flights"}]), resolve, by_sql)
    delay = Column(FLIGHTS, "delay")
    assert [(edge.source, edge.target, edge.how) for edge in found.reading.edges] == [(delay, delay, "TRANSFORMATION")]
    assert found.reading.inputs == {FLIGHTS}


def test_every_name_an_event_mentions_is_looked_for() -> None:
    fields = {
        "a": {"inputFields": [{"namespace": "s3://b", "name": "p", "field": "x"}, None, {"namespace": 1}]},
        "b": 7,
    }
    lineage = {"fields": fields, "dataset": [{"namespace": "s3://b", "name": "q", "field": "x"}]}
    event = merged(outputs=[{"namespace": "n", "name": "out", "facets": {"columnLineage": lineage}}])
    assert set(raw_names(event)) == {("n", "out"), ("s3://b", "p"), ("s3://b", "q")}


def test_what_may_have_written() -> None:
    assert tells_of_writing(merged("DELETE FROM silver.flights"))
    assert tells_of_writing(merged(outputs=[{"namespace": "n", "name": "o"}]))
    assert not tells_of_writing(merged())
