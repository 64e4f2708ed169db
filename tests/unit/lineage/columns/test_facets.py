import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lakehold.lineage.columns import facets
from lakehold.lineage.model import Reading, Table

RECORDED = Path(__file__).parent / "recorded"
TARGET = {"namespace": "lakehouse", "name": "gold.t"}


def recorded(name: str) -> dict[str, Any]:
    """An event as an engine sent it, without what does not matter here."""
    event: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return event


def resolve(namespace: str, name: str) -> Table:
    """As the graph does: a location or ``catalog.schema.table`` is a table of the catalog, a shadow is its target."""
    if namespace == "s3://lakehouse":
        schema, table = name.split("/")
        return Table("lakehouse", re.sub(r"__audit_\w{10}", "", schema) + "." + re.sub(r"-\w{32}$", "", table))
    if namespace.startswith("trino://"):
        return Table("lakehouse", re.sub(r"__audit_\w{10}", "", name.removeprefix("lakehouse.")))
    return Table(namespace, name)


def lines(reading: Reading | None) -> list[str]:
    assert reading is not None
    return sorted(
        f"{edge.source.table.name}.{edge.source.name} -> {edge.target.name or '*'} {edge.how}" for edge in reading.edges
    )


def event(facet: Any, **more: Any) -> dict[str, Any]:
    return {"outputs": [{**TARGET, "facets": {"columnLineage": facet}}], **more}


def field(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A facet of one column, made from ``lakehouse silver.s.a``."""
    source = {"namespace": "lakehouse", "name": "silver.s", "field": "a"}
    return {"fields": {"x": {"inputFields": [{**source, **one} for one in given or ({},)], **more}}}


def by(type_: str, subtype: str | None = None) -> dict[str, Any]:
    return {"transformations": [{"type": type_, "subtype": subtype}]}


def test_spark_tells_values_and_what_decides_about_rows() -> None:
    reading = facets.read(recorded("spark_overwrite_join"), resolve)
    assert reading is not None
    assert (reading.target, reading.kind) == (Table("lakehouse", "silver.flights"), "overwrite")
    assert {table.name for table in reading.inputs} == {
        f"bronze.{name}" for name in ("airlines", "airports", "flights", "planes", "weather")
    }
    told = lines(reading)
    assert [line for line in told if "-> *" not in line] == [
        "bronze.airports.name -> dest_name IDENTITY",
        "bronze.airports.name -> origin_name IDENTITY",
        "bronze.flights.dep_time -> cancelled TRANSFORMATION",
        "bronze.flights.flight_date -> flight_date IDENTITY",
        "bronze.weather.wind_gust -> wind_gust IDENTITY",
    ]
    assert "bronze.planes.tailnum -> * JOIN" in told


def test_what_spark_adds_by_itself_is_left_out() -> None:
    """Keys that are not null, a join column that was renamed, the order of partitions."""
    event = recorded("spark_overwrite_join")
    listed = event["outputs"][0]["facets"]["columnLineage"]["dataset"]
    assert {each["subtype"] for one in listed for each in one["transformations"]} == {
        "FILTER", "IDENTITY", "JOIN", "SORT"
    }  # fmt: skip
    reading = facets.read(event, resolve)
    assert [line for line in lines(reading) if "-> *" in line] == [
        "bronze.airlines.carrier -> * JOIN",
        "bronze.airports.faa -> * JOIN",
        "bronze.flights.carrier -> * JOIN",
        "bronze.flights.dest -> * JOIN",
        "bronze.flights.origin -> * JOIN",
        "bronze.flights.tailnum -> * JOIN",
        "bronze.flights.time_hour -> * JOIN",
        "bronze.planes.tailnum -> * JOIN",
        "bronze.weather.origin -> * JOIN",
        "bronze.weather.time_hour -> * JOIN",
    ]


def test_rows_that_were_kept_make_no_edge() -> None:
    """A month is written again with its other days as they were: a union of new rows and the table's own."""
    event = recorded("spark_overwrite_kept")
    assert {"silver/flights-9500e42425f54a99bb4491fc9d861f44"} & {one["name"] for one in event["inputs"]}
    reading = facets.read(event, resolve)
    assert reading is not None
    assert Table("lakehouse", "silver.flights") not in reading.inputs
    assert [line for line in lines(reading) if "JOIN" not in line] == [
        "bronze.flights.dep_time -> cancelled TRANSFORMATION",
        "bronze.flights.dep_time -> dep_time IDENTITY",
        "bronze.flights.flight_date -> * FILTER",
        "bronze.flights.flight_date -> flight_date IDENTITY",
    ]


def test_spark_names_no_source_of_rows_that_python_brought() -> None:
    reading = facets.read(recorded("spark_local_rows"), resolve)
    assert reading is not None
    assert (reading.target, reading.inputs, reading.edges) == (
        Table("lakehouse", "bronze.airlines"),
        frozenset(),
        frozenset(),
    )
    assert dict(reading.unknown) == dict.fromkeys(
        ("carrier", "name"), "spark names no source of it: a constant, or made by other code"
    )


def test_trino_tells_pairs_of_a_view_without_how() -> None:
    reading = facets.read(recorded("trino_view"), resolve)
    assert reading is not None
    assert reading.target == Table("lakehouse", "gold.stg_flights")
    assert lines(reading) == [
        "silver.flights.carrier -> carrier TRANSFORMATION",
        "silver.flights.flight_date -> flight_date TRANSFORMATION",
        "silver.flights.flight_date -> flight_month TRANSFORMATION",
    ]


def test_trino_tells_pairs_of_a_table_made_by_a_query() -> None:
    told = lines(facets.read(recorded("trino_create_table"), resolve))
    assert "gold.stg_flights.arr_delay -> arr_delay TRANSFORMATION" in told
    assert not [line for line in told if "-> *" in line]


def test_engine_and_statement() -> None:
    assert facets.engine(recorded("spark_local_rows")) == "spark"
    assert facets.statement(recorded("spark_local_rows")) is None
    view = recorded("trino_view")
    sql = facets.statement(view)
    assert sql is not None
    assert (facets.engine(view), sql[1], "create or replace view" in sql[0]) == ("trino", "trino", True)
    assert (
        facets.engine({"producer": "https://github.com/apache/airflow/tree/providers-openlineage/2.20.3"}) == "airflow"
    )
    assert facets.engine({"producer": "urn:other"}) == ""


@pytest.mark.parametrize(
    ("facet", "told"),
    [
        (field(transformationType="IDENTITY"), ["silver.s.a -> x IDENTITY"]),  # 1-0-1
        (field(transformationType="MASKED"), ["silver.s.a -> x TRANSFORMATION"]),
        (field(by("DIRECT", "AGGREGATION")), ["silver.s.a -> x AGGREGATION"]),  # 1-1-0
        (field(by("DIRECT")), ["silver.s.a -> x TRANSFORMATION"]),
        (field(by("DIRECT", "IDENTITY"), by("DIRECT", "AGGREGATION")), ["silver.s.a -> x AGGREGATION"]),
        (field(by("INDIRECT", "WINDOW")), ["silver.s.a -> x WINDOW"]),
        (field(by("INDIRECT", "JOIN")), ["silver.s.a -> * JOIN"]),  # the table's rows, not one column
        (field(by("INDIRECT", "of a later version")), ["silver.s.a -> x CONDITIONAL"]),
        (field({}), ["silver.s.a -> x TRANSFORMATION"]),
        (
            {
                "fields": {},
                "dataset": [{"namespace": "lakehouse", "name": "silver.s", "field": "a", **by("INDIRECT", "FILTER")}],
            },  # 1-2-0
            ["silver.s.a -> * FILTER"],
        ),
        (
            {
                "fields": {},
                "dataset": [{"namespace": "lakehouse", "name": "silver.s", "field": "a", **by("DIRECT", "IDENTITY")}],
            },
            [],
        ),
    ],
)
def test_versions_of_the_facet(facet: dict[str, Any], told: list[str]) -> None:
    assert lines(facets.read(event(facet), resolve)) == told


def test_names_that_cannot_be_stored_are_mended() -> None:
    told = field()
    told["fields"]["x\x00y"] = told["fields"].pop("x")
    assert lines(facets.read(event(told), resolve)) == ["silver.s.a -> x\N{REPLACEMENT CHARACTER}y TRANSFORMATION"]


def test_an_end_that_forgot_its_inputs_keeps_those_of_the_start() -> None:
    start = facets.read({**event(field(), inputs=[{"namespace": "lakehouse", "name": "silver.s"}])}, resolve)
    end = facets.read(event({}), resolve)
    assert start is not None
    assert end is not None
    (merged,) = facets.merge([start, end])
    assert lines(merged) == ["silver.s.a -> x TRANSFORMATION"]
    assert merged.inputs == {Table("lakehouse", "silver.s")}


def test_each_table_an_event_writes_has_a_reading() -> None:
    two = {"outputs": [TARGET, {"namespace": "s3://landing", "name": "flights"}], "inputs": [TARGET]}
    assert [reading.target.name for reading in facets.read_all(two, resolve)] == ["gold.t", "flights"]
    assert facets.read({"outputs": []}, resolve) is None


KEYS = (
    *("facets", "columnLineage", "fields", "dataset", "inputFields", "transformations", "type", "subtype", "x"),
    *("namespace", "name", "field", "schema", "job", "run", "sql", "query", "lifecycleStateChange"),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["DIRECT", "JOIN", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "facets",
                    "columnLineage",
                    "fields",
                    "dataset",
                    "inputFields",
                    "transformations",
                    "type",
                    "subtype",
                    "namespace",
                    "name",
                    "field",
                    "x",
                    "schema",
                    "job",
                    "run",
                    "sql",
                    "query",
                    "lifecycleStateChange",
                    "processing_engine",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(anything, anything, anything, anything)
def test_nothing_an_event_holds_makes_it_fail(facet: Any, outputs: Any, inputs: Any, job: Any) -> None:
    facets.read_all({"outputs": outputs, "inputs": inputs, "job": job, "run": facet, "producer": inputs}, resolve_any)
    facets.read_all(event(facet, inputs=inputs, job=job), resolve_any)
    job = {"name": "a.overwrite_partitions_dynamic.t"}
    facets.read_all(event({"fields": facet, "dataset": inputs}, job=job, producer="spark"), resolve_any)
    facets.statement({"job": job, "run": facet, "producer": "spark"})


def resolve_any(namespace: str, name: str) -> Table:
    return Table(namespace, name)


def test_spark_tells_a_copy_on_write_merge_as_copies_of_the_table() -> None:
    told = lines(facets.read(recorded("spark_merge_copy_on_write"), resolve))
    assert [line for line in told if "-> *" not in line] == [
        "gold.names.carrier -> carrier IDENTITY",
        "gold.names.name -> name IDENTITY",
    ]


def test_spark_tells_a_merge_on_read_with_its_source() -> None:
    told = lines(facets.read(recorded("spark_merge_on_read"), resolve))
    assert [line for line in told if "-> *" not in line] == [
        "bronze.airlines.carrier -> carrier IDENTITY",
        "bronze.airlines.name -> name IDENTITY",
        "gold.names.carrier -> carrier IDENTITY",
        "gold.names.name -> name IDENTITY",
    ]


def test_an_inner_join_is_no_filter_unless_it_is_wanted_as_told() -> None:
    event = recorded("spark_create_join")
    (told,) = facets.read_all(event, resolve, as_told=True)
    assert "bronze.airlines.carrier -> * FILTER" in lines(told)
    assert [line for line in lines(facets.read(event, resolve)) if "-> *" in line] == [
        "bronze.airlines.carrier -> * JOIN",
        "silver.flights.carrier -> * JOIN",
    ]


def test_where_a_row_lies_is_no_column_of_its_table() -> None:
    """Iceberg's writer keeps the files that a change does not touch, by a filter of its own."""
    told = {"namespace": "lakehouse", "name": "gold.t"}
    decide = [{**told, "field": "_file", **by("INDIRECT", "FILTER")}, {**told, "field": "a", **by("INDIRECT", "JOIN")}]
    copied = {"x": {"inputFields": [{**told, "field": "x", **by("DIRECT", "IDENTITY")}]}}
    merge = {"producer": "https://example.org/spark", "job": {"name": "app.replace_data.lakehouse_gold_t"}}
    changed = event({"fields": copied, "dataset": decide}, **merge)
    assert lines(facets.read(changed, resolve)) == ["gold.t.a -> * JOIN", "gold.t.x -> x IDENTITY"]
    as_told = facets.read_all(changed, resolve, as_told=True)[0]
    assert "gold.t._file -> * FILTER" in lines(as_told)


def test_a_column_of_another_table_may_be_named_as_what_iceberg_tells_of_a_row() -> None:
    """Loaders mark what was deleted at the source in a column `_deleted`."""
    source = {"namespace": "postgres://shop", "name": "public.orders", "field": "_deleted"}
    copied = {"x": {"inputFields": [{**source, **by("DIRECT", "IDENTITY")}]}}
    told = event({"fields": copied, "dataset": [{**source, **by("INDIRECT", "FILTER")}]})
    assert lines(facets.read(told, resolve)) == [
        "public.orders._deleted -> * FILTER",
        "public.orders._deleted -> x IDENTITY",
    ]
