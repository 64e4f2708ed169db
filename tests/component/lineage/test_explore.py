"""The routes that ask the graph, on a PostgreSQL filled with a small graph."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from made_graph import MadeGraph

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("made")]

LANDED = [
    "s3://landing/flights#origin -> bronze.flights.origin IDENTITY",
    "s3://landing/flights#arr_delay -> bronze.flights.arr_delay TRANSFORMATION",
]
JOINED = [
    "bronze.flights.origin -> silver.flights.origin IDENTITY",
    "bronze.flights.arr_delay -> silver.flights.arr_delay IDENTITY",
    "bronze.airports.faa -> silver.flights JOIN",
    "bronze.flights.origin -> silver.flights JOIN",
    "bronze.airports.name -> silver.flights.origin_name IDENTITY",
]
DELAYS = [
    "silver.flights.origin -> gold.delays.origin IDENTITY",
    "silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION",
    "silver.flights.origin -> gold.delays GROUP_BY",
]


@pytest.fixture
def made(database: str) -> Iterator[MadeGraph]:
    graph = MadeGraph(database)
    graph.edges("flights_daily.land", LANDED)
    graph.edges("flights_daily.join", JOINED)
    graph.edges("dbt:delays", DELAYS)
    with graph.connection:
        yield graph


def get(client: httpx.Client, path: str, status: int = 200, **asked: str | int) -> Any:
    answer = client.get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == status, answer.text
    return answer.json() if status == 200 else answer.json()["error"]


def lines(answer: Any) -> list[str]:
    """The edges as a person writes them."""
    titles = {node["id"]: node["title"] for node in answer["nodes"]}
    fields = {field["id"]: field["name"] for node in answer["nodes"] for field in node["fields"]}

    def end(side: Any) -> str:
        title, name = titles[side["node"]], fields[side["field"]]
        return title if not name else f"{title}{'#' if '/' in title else '.'}{name}"

    return sorted(f"{end(edge['source'])} -> {end(edge['target'])} {edge['how']}".rstrip() for edge in answer["edges"])


def test_a_column_up_to_its_file(client: httpx.Client) -> None:
    answer = get(client, "graph", of="gold.delays.mean_delay", direction="up", edges="direct", depth=5)
    assert lines(answer) == [
        "bronze.flights.arr_delay -> silver.flights.arr_delay IDENTITY",
        "s3://landing/flights#arr_delay -> bronze.flights.arr_delay TRANSFORMATION",
        "silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION",
    ]
    assert {node["title"]: node["distance"] for node in answer["nodes"]} == {
        "gold.delays": 0,
        "silver.flights": -1,
        "bronze.flights": -2,
        "s3://landing/flights": -3,
    }
    assert answer["truncated"] is False


def test_what_decides_about_the_rows_of_a_column_counts_at_the_first_step(client: httpx.Client) -> None:
    assert lines(get(client, "graph", of="gold.delays.mean_delay", direction="up", depth=1)) == [
        "silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION",
        "silver.flights.origin -> gold.delays GROUP_BY",
    ]


@pytest.mark.parametrize(("path", "asked"), [("graph", "of"), ("node", "name")])
def test_questions_need_the_token(client: httpx.Client, path: str, asked: str) -> None:
    assert httpx.get(f"{client.base_url}/api/v1/{path}", params={asked: "a.b"}, trust_env=False).status_code == 401


def test_node_and_search(client: httpx.Client) -> None:
    answer = get(client, "node", name="silver.flights")
    assert [field["name"] for field in answer["fields"]] == ["origin_name", "arr_delay", "origin"]
    found = get(client, "search", q="flights arr")["results"]
    assert "silver.flights.arr_delay" in [row["title"] for row in found]
    assert get(client, "search", q="DELAYS")["results"][0]["title"] == "gold.delays"
