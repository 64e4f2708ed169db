"""What is read from a statement beyond its edges: names, texts, reasons; and which statements write nothing."""

from typing import Literal

import golden
import pytest
from lakehold.lineage.columns.sql import Unreadable, read
from lakehold.lineage.model import Reading, Table

Dialect = Literal["trino", "spark"]
TABLES = {
    "silver.flights": ["carrier", "delay", "Miles"],
    "silver.names": ["carrier", "name"],
    "gold.late": ["carrier", "minutes"],
}


def reading(sql: str, dialect: Dialect = "trino") -> Reading:
    """What is read from a statement that writes."""
    found = read(sql, dialect, TABLES, catalog="lakehouse", schema="silver")
    assert found is not None
    return found


def edges(sql: str, dialect: Dialect = "trino") -> list[str]:
    return golden.lines(reading(sql, dialect).edges)


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("trino", ""),
        ("trino", "-- nothing"),
        ("trino", "SELECT carrier FROM silver.flights"),
        ("trino", "WITH a AS (SELECT 1) SELECT * FROM a"),
        ("trino", "CREATE SCHEMA gold WITH (location = 's3://lakehouse/gold')"),
        ("trino", "ALTER TABLE gold.late EXECUTE optimize"),
        ("trino", "ALTER TABLE gold.late ADD COLUMN n integer"),
        ("trino", "COMMENT ON TABLE gold.late IS 'late'"),
        ("trino", "DROP TABLE gold.late"),
        ("trino", "ANALYZE gold.late"),
        ("trino", "EXPLAIN INSERT INTO gold.late SELECT carrier, delay FROM silver.flights"),
        ("trino", "CALL system.flush_metadata_cache()"),
        ("spark", "SHOW TBLPROPERTIES gold.late"),
        ("spark", "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT * FROM silver.flights"),
        ("spark", "CACHE TABLE v AS SELECT * FROM silver.flights"),
        ("spark", "CALL lakehouse.system.rewrite_data_files('gold.late')"),
        ("spark", "CREATE NAMESPACE gold"),
        ("spark", "ADD JAR 's3://jars/own.jar'"),
        ("spark", "DECLARE VARIABLE n INT DEFAULT 5"),
        ("spark", "SET spark.sql.shuffle.partitions = 2"),
    ],
)
def test_nothing_is_written(dialect: Dialect, sql: str) -> None:
    assert read(sql, dialect, TABLES, catalog="lakehouse", schema="silver") is None


@pytest.mark.parametrize(
    ("dialect", "sql", "reason"),
    [
        ("trino", "INSERT INTO gold.late SELECT FROM WHERE", "cannot be parsed"),
        ("trino", "what is this", "not supported"),
        ("trino", "INSERT INTO gold.late SELECT 'open", "cannot be parsed"),
        ("trino", "DELETE FROM gold.late; DELETE FROM gold.late", "2 statements"),
        ("trino", "EXPLAIN ANALYZE INSERT INTO gold.late SELECT * FROM silver.names", "EXPLAIN ANALYZE"),
        ("trino", "EXECUTE IMMEDIATE 'DELETE FROM gold.late'", "EXECUTE statements are not supported"),
        ("spark", "FROM silver.flights INSERT INTO a.b SELECT carrier INSERT INTO a.c SELECT delay", "not supported"),
        ("spark", "LOAD DATA INPATH 's3://landing/x' INTO TABLE gold.late", "not supported"),
        (
            "spark",
            "INSERT INTO IDENTIFIER('gold.' || 'late') SELECT carrier, delay FROM silver.flights",
            "cannot be parsed",
        ),
        ("spark", "CREATE TABLE a.b AS SELECT * FROM unheard.of NATURAL JOIN silver.names", "NATURAL JOIN"),
    ],
)
def test_what_cannot_be_read_is_said(dialect: Dialect, sql: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(sql, dialect, TABLES, catalog="lakehouse", schema="silver")


@pytest.mark.parametrize(
    "rest", ["'a secret' FROM WHERE", "'a secret", "1 /* a secret", '"a secret', "secret secret secret"]
)
def test_reasons_do_not_quote_the_statement(rest: str) -> None:
    with pytest.raises(Unreadable) as caught:
        reading(f"INSERT INTO gold.late SELECT {rest}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("dialect", "name", "table"),
    [
        ("trino", "gold.late", Table("lakehouse", "gold.late")),
        ("trino", '"Lakehouse"."GOLD".Late', Table("lakehouse", "gold.late")),
        ("trino", "late", Table("lakehouse", "silver.late")),
        ("trino", "gold__audit_0123456789.late", Table("lakehouse", "gold.late")),
        ("trino", "memory.other.late", Table("memory", "other.late")),
        ("spark", "lakehouse.gold.late.branch_audit", Table("lakehouse", "gold.late")),
        ("spark", "gold.late.branch_audit", Table("lakehouse", "gold.late")),
    ],
)
def test_one_name_per_table(dialect: Dialect, name: str, table: Table) -> None:
    assert reading(f"DELETE FROM {name}", dialect).target == table


def test_a_shadow_is_its_target_on_both_sides() -> None:
    sql = "INSERT INTO gold__audit_0123456789.late SELECT carrier, delay FROM silver__audit_9876543210.flights"
    assert edges(sql) == [
        "silver.flights.carrier -> gold.late.carrier IDENTITY",
        "silver.flights.delay -> gold.late.minutes IDENTITY",
    ]


def test_columns_are_called_as_in_the_catalog() -> None:
    assert edges("CREATE TABLE a.b AS SELECT MILES AS far FROM silver.flights", "spark") == [
        "silver.flights.Miles -> a.b.far IDENTITY"
    ]


def test_the_sql_of_a_column_is_on_its_edges() -> None:
    sql = """CREATE TABLE a.b AS
             WITH c AS (SELECT carrier, coalesce(delay, 0) * 60 AS seconds FROM silver.flights)
             SELECT carrier, seconds, max(seconds) OVER (PARTITION BY carrier) AS most FROM c"""
    assert sorted((edge.target.name, edge.how, edge.expression) for edge in reading(sql).edges) == [
        ("carrier", "IDENTITY", ""),
        ("most", "AGGREGATION", "MAX(seconds) OVER (PARTITION BY carrier)"),
        ("most", "WINDOW", "MAX(seconds) OVER (PARTITION BY carrier)"),
        ("seconds", "TRANSFORMATION", "COALESCE(delay, 0) * 60"),
    ]


def test_a_table_whose_columns_are_not_known_still_has_those_that_are_named() -> None:
    assert edges("CREATE TABLE a.b AS SELECT x, upper(t.y) AS y FROM un.known t WHERE z") == [
        "un.known.x -> a.b.x IDENTITY",
        "un.known.y -> a.b.y TRANSFORMATION",
        "un.known.z -> a.b FILTER",
    ]


@pytest.mark.parametrize(
    ("sql", "unknown"),
    [
        ("CREATE TABLE a.b AS SELECT * FROM un.known", {"": "the columns of un.known are not known"}),
        (
            "CREATE TABLE a.b AS SELECT x FROM un.known CROSS JOIN un.heard",
            {"x": "x could be a column of several tables whose columns are not known"},
        ),
        (
            "CREATE TABLE a.b AS SELECT carrier FROM silver.flights CROSS JOIN silver.names",
            {"carrier": "carrier could be a column of several tables"},
        ),
        (
            "CREATE TABLE a.b AS SELECT newer FROM silver.flights",
            {"newer": "no table of the statement is known to have a column newer"},
        ),
        ("INSERT INTO un.known SELECT * FROM silver.names", {"": "the columns of un.known are not known"}),
        (
            "INSERT INTO gold.late SELECT carrier FROM silver.names",
            {"carrier": "it gives 1 columns to 2", "minutes": "it gives 1 columns to 2"},
        ),
        (
            "CREATE TABLE a.b AS SELECT carrier FROM silver.names WHERE newer",
            {"": "no table of the statement is known to have a column newer"},
        ),
        (
            "CREATE TABLE a.b AS SELECT t.x FROM TABLE(mysql.system.query(query => 'SELECT 1 AS x')) t",
            {"x": "what the table function query gives is not known"},
        ),
    ],
)
def test_unknown_is_said_not_guessed(sql: str, unknown: dict[str, str]) -> None:
    assert dict(reading(sql).unknown) == unknown


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (["carrier", "count(1)"], (["carrier", "count(1)"], {})),
        (["other", "count(1)"], (["carrier"], {"": "a column of the query has no name"})),
        ([], (["carrier"], {"": "a column of the query has no name"})),
    ],
    ids=["there now", "another table", "not there"],
)
def test_a_column_without_a_name(now: list[str], told: tuple[list[str], dict[str, str]]) -> None:
    tables = {**TABLES, "gold.made": now}
    sql = "CREATE TABLE gold.made AS SELECT carrier, sum(delay) FROM silver.flights"
    found = read(sql, "spark", tables, catalog="lakehouse", schema="default")
    assert found is not None
    assert (sorted(edge.target.name for edge in found.edges), found.unknown) == told


def test_an_exploded_map_does_not_fit_where_an_array_does() -> None:
    sql = "INSERT INTO gold.late SELECT explode(hours) FROM silver.crew"
    assert set(reading(sql, "spark").unknown.values()) == {"it gives 1 columns to 2"}


def test_tables_without_a_column_in_the_answer_are_still_read() -> None:
    found = reading("CREATE TABLE a.b AS SELECT count(*) AS n FROM silver.flights")
    assert (found.inputs, found.edges) == ({Table("lakehouse", "silver.flights")}, frozenset())


def test_a_cte_hides_a_table_of_its_name_only_where_it_is_seen() -> None:
    sql = """CREATE TABLE a.b AS WITH names AS (SELECT name FROM names)
             SELECT n.name, m.carrier FROM names n, silver.names m"""
    assert edges(sql) == ["silver.names.carrier -> a.b.carrier IDENTITY", "silver.names.name -> a.b.name IDENTITY"]


def test_a_field_of_a_row_is_looked_for_after_tables() -> None:
    tables = {"silver.legs": ["trip", "legs"]}
    sql = "CREATE TABLE a.b AS SELECT legs.trip AS one, legs.legs.km AS two, trip.km AS three FROM silver.legs"
    found = read(sql, "trino", tables, catalog="lakehouse", schema="silver")
    assert found is not None
    assert golden.lines(found.edges) == [
        "silver.legs.legs -> a.b.two TRANSFORMATION",
        "silver.legs.trip -> a.b.one IDENTITY",
        "silver.legs.trip -> a.b.three TRANSFORMATION",
    ]


@pytest.mark.parametrize(
    ("dialect", "sql", "drawn"),
    [
        (
            "trino",
            "CREATE TABLE a.b AS SELECT CAST(ROW(carrier, delay) AS ROW(code varchar, late int)).* FROM silver.flights",
            ["silver.flights.carrier -> a.b.code TRANSFORMATION", "silver.flights.delay -> a.b.late TRANSFORMATION"],
        ),
        ("trino", "UPDATE gold.late SET minutes = DEFAULT", []),
        (
            "spark",
            "CREATE TABLE a.b AS SELECT any(delay > 15) AS x FROM silver.flights WHERE carrier LIKE ANY ('U%', 'A%')",
            ["silver.flights.carrier -> a.b FILTER", "silver.flights.delay -> a.b.x AGGREGATION"],
        ),
        (
            "spark",
            "CREATE TABLE a.b AS SELECT name FROM IDENTIFIER('silver.names')",
            ["silver.names.name -> a.b.name IDENTITY"],
        ),
        (
            "spark",
            "CREATE TABLE a.b AS FROM silver.flights |> WHERE delay > 15 |> AGGREGATE max(miles) far GROUP BY carrier",
            [
                "silver.flights.Miles -> a.b.far AGGREGATION",
                "silver.flights.carrier -> a.b GROUP_BY",
                "silver.flights.carrier -> a.b.carrier IDENTITY",
                "silver.flights.delay -> a.b FILTER",
            ],
        ),
    ],
    ids=["fields of a row", "default", "any", "identifier", "pipes"],
)
def test_rare_words(dialect: Dialect, sql: str, drawn: list[str]) -> None:
    assert edges(sql, dialect) == drawn
    assert reading(sql, dialect).unknown == {}
