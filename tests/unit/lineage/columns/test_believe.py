from lakehold.lineage.columns import believe
from lakehold.lineage.model import WHOLE, Column, ColumnEdge, Reading, Table

SOURCE, TARGET = Table("lakehouse", "silver.s"), Table("lakehouse", "gold.t")


def edge(source: str, target: str, how: str = "TRANSFORMATION", of: Table = SOURCE, to: Table = TARGET) -> ColumnEdge:
    return ColumnEdge(Column(of, source), Column(to, target), how)


def reading(*edges: ColumnEdge, kind: str = "insert", target: Table = TARGET, **unknown: str) -> Reading:
    return Reading(target=target, kind=kind, inputs=frozenset({SOURCE}), edges=frozenset(edges), unknown=unknown)


def test_every_engine_and_kind_has_a_rule() -> None:
    for engine in ("spark", "trino", "airflow", ""):
        for kind in ("create", "insert", "overwrite", "merge", "update", "delete", "view", "write"):
            assert believe.rule(engine, kind).why


def test_nothing_told_is_nothing_believed() -> None:
    assert believe.choose(None, None, "trino", "insert") is None


def test_the_only_source_is_believed() -> None:
    told = reading(edge("a", "x"))
    alone = believe.choose(told, None, "trino", "insert")
    assert alone is not None
    assert (alone.reading, alone.by) == (told, {edge("a", "x"): "facet"})
    read = believe.choose(None, told, "trino", "insert")
    assert read is not None
    assert (read.reading, read.by) == (told, {edge("a", "x"): "sql"})


def test_trino_is_not_believed_about_how() -> None:
    sql = reading(edge("a", "x", "AGGREGATION"), edge("b", WHOLE, "FILTER"))
    chosen = believe.choose(reading(edge("a", "x")), sql, "trino", "create")
    assert chosen is not None
    assert chosen.reading.edges == sql.edges
    assert set(chosen.by.values()) == {"sql"}


def test_spark_is_not_believed_about_a_change_that_copies_files() -> None:
    told = reading(edge("x", "x", "IDENTITY", of=TARGET), edge("y", "y", "IDENTITY", of=TARGET), kind="merge")
    sql = reading(edge("a", "x", "IDENTITY"), edge("k", WHOLE, "JOIN"), kind="merge")
    chosen = believe.choose(told, sql, "spark", "merge")
    assert chosen is not None
    assert chosen.reading.edges == sql.edges
    assert chosen.reading.unknown == {}


def test_a_frames_merge_is_said_to_be_unknown() -> None:
    told = reading(edge("x", "x", "IDENTITY", of=TARGET), kind="merge")
    chosen = believe.choose(told, None, "spark", "merge")
    assert chosen is not None
    assert chosen.reading.edges == frozenset()
    assert dict(chosen.reading.unknown) == {"x": "the engine tells only that the column is rewritten"}


def test_a_column_the_statement_does_not_explain_is_taken_from_the_engine() -> None:
    sql = reading(edge("a", "x"), y="v is no table of the catalog", z="f is a function we do not know")
    told = reading(edge("a", "x", "IDENTITY"), edge("b", "y", "IDENTITY"))
    chosen = believe.choose(told, sql, "trino", "insert")
    assert chosen is not None
    assert chosen.by == {edge("a", "x"): "sql", edge("b", "y", "IDENTITY"): "facet"}
    assert dict(chosen.reading.unknown) == {"z": "f is a function we do not know"}


def test_the_statement_tells_a_constant_from_what_is_unknown() -> None:
    told = reading(edge("a", "x", "IDENTITY"), c="spark names no source", u="spark names no source")
    sql = reading(edge("a", "x", "IDENTITY"), u="python_udf: its result is not in the statement")
    chosen = believe.choose(told, sql, "spark", "insert")
    assert chosen is not None
    assert dict(chosen.reading.unknown) == {"u": "python_udf: its result is not in the statement"}


def test_a_view_of_the_session_is_taken_from_the_engine() -> None:
    why = "v is no table of the catalog"
    told = reading(edge("a", "x"), edge("b", WHOLE, "FILTER"))
    sql = Reading(TARGET, "insert", frozenset(), frozenset(), {"x": why, "c": why, WHOLE: why})
    chosen = believe.choose(told, sql, "spark", "insert")
    assert chosen is not None
    assert chosen.by == {edge("a", "x"): "facet", edge("b", WHOLE, "FILTER"): "facet"}
    assert chosen.reading.inputs == {SOURCE}
    assert dict(chosen.reading.unknown) == {"c": why}


def test_a_statement_that_reads_nothing_is_believed() -> None:
    chosen = believe.choose(reading(edge("a", "x")), reading(), "trino", "insert")
    assert chosen is not None
    assert chosen.reading.edges == frozenset()


def test_the_written_table_has_the_name_the_engine_gives() -> None:
    other = Table("lakehouse", "default.t")
    sql = reading(edge("a", "x"), edge("x", "x", of=other, to=other), target=other)
    chosen = believe.choose(reading(), sql, "trino", "insert")
    assert chosen is not None
    assert chosen.reading.target == TARGET
    assert chosen.reading.edges == {edge("a", "x"), edge("x", "x", of=TARGET)}
