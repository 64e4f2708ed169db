"""The publisher against a live OpenMetadata, where `OPENMETADATA_URL` names one; else it says that it did not run.

Each test publishes into services of its own and reads back what the server has; they are removed again.
"""

import json
import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from lakehold.lineage.sinks.openmetadata import dialect
from lakehold.lineage.sinks.openmetadata.names import fqn
from lakehold.lineage.sinks.openmetadata.session import path_of
from made_graph import BEGIN, column
from publishing import DAG_RUN, EDGES, Lineage, publishing, row, told, until

pytestmark = pytest.mark.component

SKIPPED = "NOT RUN against a live OpenMetadata: set OPENMETADATA_URL and OPENMETADATA_TOKEN_FILE to run it"
SECONDS = 120
"""A live server takes about 25 tables a second, and may have little of the machine."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """A server, and the service of this test in it."""

    client: httpx.Client
    url: str
    token: str = field(repr=False)
    service: str

    def publishing(self, graph: Lineage) -> AbstractContextManager[None]:
        return publishing(graph.connection.info.dsn, self.url, token=self.token, seconds=30, service=self.service)

    @property
    def spoken(self) -> dialect.Dialect:
        return dialect.of(self.client.get("/system/version").raise_for_status().json()["version"])

    def table(self, name: str) -> str:
        return fqn(self.service, "lakehouse", *name.split("."))

    def read(self, path: str, name: str, **params: Any) -> dict[str, Any]:
        return dict(self.client.get(f"{path}/name/{path_of(name)}", params=params).raise_for_status().json())

    def above(self, table: str) -> dict[str, dict[str, Any]]:
        """Return what a table is made of: qualified names with the details of their edges."""
        found = self.read("/lineage/table", self.table(table), upstreamDepth=1, downstreamDepth=0)
        names = {node["id"]: node["fullyQualifiedName"] for node in found["nodes"]}
        return {names[edge["fromEntity"]]: edge["lineageDetails"] for edge in found["upstreamEdges"]}

    def remove(self) -> None:
        """Remove what was published, for good."""
        kinds = {"databaseServices": "", "storageServices": "_files", "pipelineServices": "_airflow"}
        for kind, ending in kinds.items():
            made = self.client.get(f"/services/{kind}/name/{self.service}{ending}")
            if made.is_success:
                id_ = made.json()["id"]
                forever = {"hardDelete": True, "recursive": True}
                self.client.delete(f"/services/{kind}/{id_}", params=forever).raise_for_status()


@pytest.fixture(scope="module")
def server() -> tuple[str, str]:
    url, file = os.environ.get("OPENMETADATA_URL"), os.environ.get("OPENMETADATA_TOKEN_FILE")
    if not url or not file:
        warnings.warn(SKIPPED, stacklevel=1)
        pytest.skip(SKIPPED)
    return url, Path(file).read_text(encoding="utf-8").strip()


@pytest.fixture
def live(server: tuple[str, str]) -> Iterator[Live]:
    url, token = server
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60, trust_env=False) as client:
        one = Live(client=client, url=url, token=token, service=f"lakehold_test_{secrets.token_hex(4)}")
        try:
            yield one
        finally:
            one.remove()


@pytest.fixture
def ann(live: Live) -> Iterator[None]:
    """A user of that name; one who was there before stays."""
    if live.client.get("/users/name/ann").is_success:
        yield
        return
    made = live.client.put("/users", json={"name": "ann", "email": "ann@example.com"}).raise_for_status()
    yield
    live.client.delete(f"/users/{made.json()['id']}", params={"hardDelete": True}).raise_for_status()


@pytest.fixture
def graph(live: Live, request: pytest.FixtureRequest) -> Iterator[Lineage]:
    """Where no server is named, no PostgreSQL is started either."""
    assert live
    yield from Lineage.fresh(request.getfixturevalue("postgres").database)


def nothing_refused(graph: Lineage) -> None:
    assert row(graph)[3] == 0, graph.connection.execute("SELECT item, reason FROM sink_letter").fetchall()


def test_the_graph_arrives(live: Live, graph: Lineage) -> None:
    graph.edges("dbt:delays", EDGES)
    graph.field(column("gold.delays.flight_date"), "date")
    graph.field(column("gold.delays.parts"), "row(a integer, b array(varchar(10)))")
    graph.connection.execute("UPDATE node SET description = 'Mean delays' WHERE name = 'gold.delays'")
    graph.connection.execute("UPDATE field SET description = 'In minutes' WHERE name = 'mean_delay'")
    sql = 'INSERT INTO gold.delays SELECT avg(arr_delay) AS "größe" -- it\'s 100 %'
    graph.statement("dbt:delays", "gold.delays", sql)
    graph.node(column("gold.late").table, "view")
    graph.field(column("gold.late.n"))
    graph.statement("dbt:late", "gold.late", "SELECT count(*) AS n FROM gold.delays")
    with live.publishing(graph):
        told(graph, SECONDS)
    nothing_refused(graph)
    view = live.read("/tables", live.table("gold.late"), fields=live.spoken.view_text)
    assert (view["tableType"], view[live.spoken.view_text]) == ("View", "SELECT count(*) AS n FROM gold.delays")
    table = live.read("/tables", live.table("gold.delays"))
    assert (table["description"], table["tableType"]) == ("Mean delays", "Iceberg")
    columns = {one["name"]: (one["dataType"], one.get("description")) for one in table["columns"]}
    assert columns["mean_delay"] == ("BIGINT", "In minutes")
    assert columns["flight_date"] == ("DATE", None)
    assert columns["parts"] == ("STRUCT", None)
    details = live.above("gold.delays")[live.table("silver.flights")]
    assert details["sqlQuery"] == sql
    mapping = {
        pair["toColumn"].rpartition(".")[2]: (pair["fromColumns"], pair["function"])
        for pair in details["columnsLineage"]
    }
    assert mapping["mean_delay"] == ([f"{live.table('silver.flights')}.arr_delay"], "AGGREGATION")
    assert mapping["carrier"] == ([f"{live.table('silver.flights')}.carrier"], "IDENTITY")
    assert list(live.above("bronze.flights")) == [fqn(f"{live.service}_files", "landing/flights")]


@pytest.mark.usefixtures("ann")
def test_a_pipeline_its_owner_and_how_its_run_went_arrive(live: Live, graph: Lineage) -> None:
    graph.edges("flights_daily.silver.join", EDGES)
    graph.dag_run({"load": ["check"], "check": []}, {"load": "success", "check": "failed"})
    graph.connection.execute("UPDATE edge SET last_run = %s", (DAG_RUN,))
    with live.publishing(graph):
        told(graph, SECONDS)
        graph.change(f"run:{DAG_RUN}")
        told(graph, SECONDS)
    nothing_refused(graph)
    name = fqn(f"{live.service}_airflow", "flights_daily")
    pipeline = live.read("/pipelines", name, fields=f"tasks,pipelineStatus,tags,{live.spoken.owners}")
    assert {task["name"]: task.get("downstreamTasks") for task in pipeline["tasks"]} == {"load": ["check"], "check": []}
    assert pipeline["description"] == "The main job."
    assert [tag["tagFQN"] for tag in pipeline["tags"]] == ["Airflow.main"]
    owner = pipeline[live.spoken.owners]
    owners = {one["name"] for one in (owner if isinstance(owner, list) else [owner])}
    assert owners
    assert owners <= {"airflow", "ann"}  # who of these the server knows
    status = pipeline["pipelineStatus"]
    assert (status["executionStatus"], status["timestamp"]) == ("Successful", int(BEGIN.timestamp() * 1000))
    tasks = {task["name"]: task["executionStatus"] for task in status["taskStatus"]}
    assert tasks == {"load": "Successful", "check": "Failed"}
    assert live.above("gold.delays")[live.table("silver.flights")]["pipeline"]["id"] == pipeline["id"]


def test_results_of_gates_arrive(live: Live, graph: Lineage) -> None:
    graph.edges("dbt:delays", EDGES)
    graph.dag_run({}, {})
    details = {"assertion": "expect_column_values_to_be_in_set", "actual": "3 rows", "severity": "error"}
    for name, of, success in (("known_carrier", "carrier", False), ("some rows", "", True)):
        graph.connection.execute(
            "INSERT INTO assertion_result (run_id, node_id, column_name, name, success, at, details)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (DAG_RUN, graph.node(column("gold.delays").table), of, name, success, BEGIN, json.dumps(details)),
        )
    for _ in range(2):  # the second process does not know what the first one sent: the result is there already
        with live.publishing(graph):
            told(graph, SECONDS)
            graph.change(f"quality:{DAG_RUN}")
            told(graph, SECONDS)
    nothing_refused(graph)
    wanted = {fqn("carrier", "known_carrier"): "Failed", "some rows": "Success"}
    for case, outcome in wanted.items():
        found = live.read("/dataQuality/testCases", f"{live.table('gold.delays')}.{case}", fields="testCaseResult")
        result = found["testCaseResult"]
        assert (result["testCaseStatus"], result["timestamp"]) == (outcome, int(BEGIN.timestamp() * 1000))


def test_what_changes_is_told_and_an_edge_that_ended_is_removed(live: Live, graph: Lineage) -> None:
    graph.edges("dbt:delays", EDGES)
    with live.publishing(graph):
        told(graph, SECONDS)
        graph.field(column("gold.delays.flights"))
        graph.changed_node("gold.delays")
        target = graph.node(column("gold.delays").table)
        graph.connection.execute("UPDATE edge SET ended_at = now() WHERE target_node = %s", (target,))
        graph.change(graph.pair("silver.flights", "gold.delays"))
        told(graph, SECONDS)
    nothing_refused(graph)
    assert "flights" in {one["name"] for one in live.read("/tables", live.table("gold.delays"))["columns"]}
    assert live.above("gold.delays") == {}
    assert list(live.above("silver.flights")) == [live.table("bronze.flights")]


def test_what_was_removed_there_is_made_again(live: Live, graph: Lineage) -> None:
    graph.edges("dbt:delays", EDGES)
    with live.publishing(graph):
        told(graph, SECONDS)
        gone = live.read("/tables", live.table("silver.flights"))["id"]
        live.client.delete(f"/tables/{gone}", params={"hardDelete": True}).raise_for_status()
        graph.changed_node("gold.delays")
        graph.field(column("silver.flights.tailnum"))
        graph.changed_node("silver.flights")
        until(lambda: live.client.get(f"/tables/name/{path_of(live.table('silver.flights'))}").is_success, SECONDS)
        told(graph, SECONDS)
    nothing_refused(graph)
    assert list(live.above("gold.delays")) == [live.table("silver.flights")]
    assert list(live.above("silver.flights")) == [live.table("bronze.flights")]


def test_an_emptied_catalog_is_filled_again(live: Live, graph: Lineage) -> None:
    graph.edges("dbt:delays", EDGES)
    with live.publishing(graph):
        told(graph, SECONDS)
    live.remove()
    with live.publishing(graph):
        until(lambda: live.client.get(f"/tables/name/{path_of(live.table('gold.delays'))}").is_success, SECONDS)
        told(graph, SECONDS)
    nothing_refused(graph)
    assert list(live.above("gold.delays")) == [live.table("silver.flights")]


def test_what_people_wrote_stays(live: Live, graph: Lineage) -> None:
    """The publisher is a bot, so a description that is there is not replaced."""
    graph.edges("dbt:delays", EDGES)
    graph.connection.execute("UPDATE node SET description = 'Ours' WHERE name = 'gold.delays'")
    with live.publishing(graph):
        told(graph, SECONDS)
        table = live.read("/tables", live.table("gold.delays"))["id"]
        live.client.patch(
            f"/tables/{table}",
            content=json.dumps([{"op": "replace", "path": "/description", "value": "Theirs"}]),
            headers={"Content-Type": "application/json-patch+json"},
        ).raise_for_status()
        graph.field(column("gold.delays.flights"))
        graph.changed_node("gold.delays")
        told(graph, SECONDS)
    nothing_refused(graph)
    found = live.read("/tables", live.table("gold.delays"))
    assert found["description"] == "Theirs"
    assert "flights" in {one["name"] for one in found["columns"]}
