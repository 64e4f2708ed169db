"""No text makes the reader crash or go on without an end, whatever it is."""

import re
from typing import Literal

import golden
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lakehold.lineage.columns import sql as reader
from lakehold.lineage.columns import sql_parse
from lakehold.lineage.columns.sql import Unreadable, read
from lakehold.lineage.model import Reading

STATEMENTS = [re.findall(r"\w+|\s+|[^\w\s]", case.statement) for case in golden.cases("spark") + golden.cases("trino")]
WORDS = sorted({word for statement in STATEMENTS for word in statement})
STRANGE = [
    "'",
    '"',
    "`",
    "/*",
    "--",
    ";",
    "\0",
    "é",
    "🙂",
    "->",
    "::",
    "|>",
    "{",
    "[",
    "1e999",
    "INTERVAL",
    "UNNEST",
    "CUBE",
]
TABLES = {f"silver.t{n}": [f"c{column}" for column in range(200)] for n in range(2)}


def tried(sql: str, dialect: Literal["trino", "spark"] = "spark") -> Reading | str | None:
    """What is read, or why not; any other error is a failure."""
    try:
        return read(sql, dialect, TABLES, catalog="lakehouse", schema="silver")
    except Unreadable as reason:
        return str(reason)


@st.composite
def broken_statements(draw: st.DrawFn) -> str:
    """A golden statement with words left out, put in, moved, or with a part of another in it."""
    words = list(draw(st.sampled_from(STATEMENTS)))
    for _ in range(draw(st.integers(1, 8))):
        first = draw(st.integers(0, len(words)))
        last = draw(st.integers(first, len(words)))
        match draw(st.sampled_from(["cut", "repeat", "insert", "other"])):
            case "cut":
                del words[first:last]
            case "repeat":
                words[first:first] = words[first:last]
            case "insert":
                words.insert(first, draw(st.sampled_from(WORDS + STRANGE)))
            case _:
                other = draw(st.sampled_from(STATEMENTS))
                words[first:last] = other[len(other) // 3 : len(other) // 2]
        words = words[:2000]
    return "".join(words)


@settings(max_examples=80, deadline=None)
@given(broken_statements(), st.sampled_from(["spark", "trino"]))
def test_broken_statements(sql: str, dialect: Literal["trino", "spark"]) -> None:
    found = tried(sql, dialect)
    assert found is None or isinstance(found, (Reading, str))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["spark", "trino"]))
def test_any_text(sql: str, dialect: Literal["trino", "spark"]) -> None:
    tried(sql, dialect)
    tried(f"INSERT INTO silver.t0 SELECT {sql} FROM silver.t1", dialect)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 500 + "1" + ")" * 500,
        "SELECT " + "CASE WHEN " * 500,
        "CREATE TABLE a.b AS SELECT " + "NOT " * 5000 + "c1 AS x FROM silver.t0",
        "CREATE TABLE a.b AS SELECT c1" + "[0]" * 5000 + " AS x FROM silver.t0",
        "CREATE TABLE a.b AS SELECT 1 -- " + "x" * sql_parse.MOST_CHARACTERS,
        "INSERT INTO a.b VALUES " + "(1)," * (sql_parse.MOST_TOKENS // 4) + "(1)",
        "CREATE TABLE a.b AS WITH a0 AS (SELECT * FROM silver.t0)"
        + "".join(f", a{n} AS (SELECT x.*, y.* FROM a{n - 1} x, a{n - 1} y)" for n in range(1, 40))
        + " SELECT * FROM a39",
        "CREATE TABLE a.b AS SELECT * FROM silver.t0" + " JOIN silver.t1 USING (c1)" * 400,
    ],
    ids=["brackets", "cases", "nots", "subscripts", "long", "words", "doubling", "joins"],
)
def test_too_much_is_refused(sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_STEPS", 100_000)  # so that it does not take seconds to come to the end of them
    found = tried(sql)
    assert isinstance(found, str)
    assert re.search(r"too (deeply|large)|at most", found)


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("CREATE TABLE a.b AS SELECT " + " || ".join(f"c{n % 200}" for n in range(3000)) + " AS x FROM silver.t0", 200),
        ("CREATE TABLE a.b AS SELECT c1 FROM silver.t0 WHERE c2 IN (" + ",".join(map(str, range(5000))) + ")", 2),
        ("CREATE TABLE a.b AS " + " UNION ALL ".join(["SELECT c1 FROM silver.t0"] * 300), 1),
        (
            "CREATE TABLE a.b AS WITH a0 AS (SELECT c1 FROM silver.t0)"
            + "".join(f", a{n} AS (SELECT c1 FROM a{n - 1})" for n in range(1, 200))
            + " SELECT c1 FROM a199",
            1,
        ),
        ("CREATE TABLE a.b AS SELECT " + "coalesce(" * 35 + "c1" + ", 1)" * 35 + " AS x FROM silver.t0", 1),
    ],
    ids=["chain", "list", "unions", "ctes", "calls"],
)
def test_large_statements_are_read(sql: str, columns: int) -> None:
    found = tried(sql)
    assert isinstance(found, Reading)
    assert len({edge.source for edge in found.edges}) == columns


def test_a_search_of_the_parser_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_parse, "_STEPS_A_TOKEN", 0)
    assert tried("CREATE TABLE a.b AS SELECT " + ", ".join(["c1 + 1"] * 1000)) == (
        "the statement is too ambiguous to be parsed"
    )
