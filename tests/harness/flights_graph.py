"""Graphs to look at: that of the main job as it is, and one of thousands of tables."""

from __future__ import annotations

from datetime import timedelta

import psycopg
from made_graph import BEGIN, CATALOG, MadeGraph

COLUMNS = ("flight_date", "carrier", "origin", "dest", "tailnum", "dep_delay", "arr_delay", "air_time", "distance")
LANDED = [f"s3://landing/flights#{name} -> bronze.flights.{name} IDENTITY" for name in COLUMNS]
JOINED = [
    *(f"bronze.flights.{name} -> silver.flights.{name} IDENTITY" for name in COLUMNS),
    "bronze.airlines.name -> silver.flights.carrier_name IDENTITY",
    "bronze.weather.visib -> silver.flights.visibility IDENTITY",
    "bronze.airlines.carrier -> silver.flights JOIN",
    "bronze.flights.carrier -> silver.flights JOIN",
    "bronze.weather.time_hour -> silver.flights JOIN",
]
REFERENCE = [
    "s3://landing/weather#visib -> bronze.weather.visib IDENTITY",
    "s3://landing/weather#time_hour -> bronze.weather.time_hour IDENTITY",
    "s3://landing/airlines.csv#carrier -> bronze.airlines.carrier IDENTITY",
    "s3://landing/airlines.csv#name -> bronze.airlines.name IDENTITY",
]
STAGED = [f"silver.flights.{name} -> gold.stg_flights.{name} IDENTITY" for name in COLUMNS]
DELAYS = [
    "gold.stg_flights.flight_date -> gold.delays.flight_date IDENTITY",
    "gold.stg_flights.carrier -> gold.delays.carrier IDENTITY",
    "gold.stg_flights.origin -> gold.delays.origin IDENTITY",
    "gold.stg_flights.dep_delay -> gold.delays.dep_delay AGGREGATION",
    "gold.stg_flights.arr_delay -> gold.delays.arr_delay AGGREGATION",
    "gold.stg_flights.carrier -> gold.delays GROUP_BY",
    "gold.stg_flights.origin -> gold.delays GROUP_BY",
]
ROUTES = [
    "gold.stg_flights.origin -> gold.routes.origin IDENTITY",
    "gold.stg_flights.dest -> gold.routes.dest IDENTITY",
    "gold.stg_flights.arr_delay -> gold.routes.arr_delay AGGREGATION",
    "gold.stg_flights.distance -> gold.routes.distance AGGREGATION",
]
ROUTES_SINCE = BEGIN + timedelta(days=40)
SQL = """
select flight_date, carrier, origin, avg(dep_delay) as dep_delay, avg(arr_delay) as arr_delay
from gold.stg_flights
group by flight_date, carrier, origin
"""


def fill(graph: MadeGraph) -> None:
    """Make the graph of ``flights_daily``, from landing file to gold, with checks, a statement and a later model."""
    graph.edges("flights_daily.bronze.load", LANDED)
    graph.edges("flights_daily.reference", REFERENCE)
    graph.edges("flights_daily.silver.join", JOINED)
    graph.edges("dbt:stg_flights", STAGED)
    graph.edges("dbt:delays", DELAYS)
    graph.edges("dbt:routes", ROUTES, since=ROUTES_SINCE)
    gate = graph.run("gate of 2013-01-01", "flights_daily.bronze.gate")
    graph.result(gate, "bronze.flights", "", "expect_table_row_count_to_be_between", success=True)
    graph.result(gate, "bronze.flights", "carrier", "expect_column_values_to_not_be_null", success=True)
    graph.result(gate, "bronze.flights", "arr_delay", "expect_column_values_to_be_between", success=True)
    graph.result(gate, "bronze.weather", "visib", "expect_column_values_to_be_between", success=False)
    gold = graph.run("gate of gold", "flights_daily.gold.gate")
    graph.result(gold, "gold.delays", "arr_delay", "expect_column_values_to_be_between", success=True)
    graph.result(gold, "gold.delays", "", "expect_compound_columns_to_be_unique", success=True)
    model = graph.statement("dbt:delays", "gold.delays", SQL)
    graph.belongs(model, "dbt:delays")
    graph.wrote("dbt:delays", "gold.delays")


def thousands(database: str, tables: int, *, columns: int = 4, layers: int = 12) -> None:
    """Make ``tables`` tables in layers, each from one to three of the layer before, all columns of each connected."""
    with psycopg.connect(database) as connection:
        values = {"tables": tables, "columns": columns, "each": tables // layers, "at": BEGIN, "catalog": CATALOG}
        # What refers to what is made right here; to check it row by row is half of the time.
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in _THOUSANDS:
            connection.execute(statement, values)


_THOUSANDS = (
    "INSERT INTO process (namespace, name, kind, first_seen, last_seen)"
    " VALUES ('test', 'many.fill', 'task', %(at)s, %(at)s) ON CONFLICT DO NOTHING",
    "INSERT INTO node (namespace, name, kind, first_seen, last_seen)"
    " SELECT %(catalog)s, 'layer_' || i / %(each)s || '.t_' || i, 'table', %(at)s, %(at)s"
    " FROM generate_series(0, %(tables)s - 1) i",
    "INSERT INTO field (node_id, name, type, position, first_seen)"
    " SELECT node_id, CASE c WHEN 0 THEN '' ELSE 'c_' || c END, 'bigint', c, %(at)s"
    " FROM node, generate_series(0, %(columns)s) c WHERE name LIKE 'layer\\_%%' ON CONFLICT DO NOTHING",
    # A table and those it comes from: k-th choice by a fixed mixing of its number.
    "WITH numbered AS (SELECT node_id, split_part(name, '.t_', 2)::int AS i FROM node WHERE name LIKE 'layer\\_%%'),"
    " pairs AS (SELECT DISTINCT s.node_id AS source, t.node_id AS target"
    "   FROM numbered t, generate_series(0, t.i %% 3) k JOIN numbered s ON true WHERE t.i >= %(each)s AND s.i ="
    "   (t.i / %(each)s - 1) * %(each)s + (t.i * 7 + k * 13 + t.i / 5) %% %(each)s)"
    " INSERT INTO edge (source_node, source_field, target_node, target_field, process_id, direct, how, believed,"
    " first_seen, last_seen, first_run, last_run)"
    " SELECT source, f.field_id, target, g.field_id, p.process_id, f.name <> '',"
    " CASE f.name WHEN '' THEN '' ELSE 'IDENTITY' END, 'sql', %(at)s, %(at)s, gen_random_uuid(), gen_random_uuid()"
    " FROM pairs JOIN field f ON f.node_id = source JOIN field g ON g.node_id = target AND g.name = f.name,"
    " process p WHERE p.name = 'many.fill'",
)
