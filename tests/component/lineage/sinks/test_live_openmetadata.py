"""The publisher against a live OpenMetadata, where `OPENMETADATA_URL` names one; else it says that it did not run."""

import os
import secrets
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from lakehold.lineage.sinks.openmetadata.names import fqn
from lakehold.lineage.sinks.openmetadata.session import path_of
from made_graph import MadeGraph
from publishing import EDGES, Lineage, publishing, row, told

pytestmark = pytest.mark.component

SKIPPED = "NOT RUN against a live OpenMetadata: set OPENMETADATA_URL and OPENMETADATA_TOKEN_FILE to run it"


@pytest.fixture(scope="module")
def live() -> tuple[str, str]:
    url, file = os.environ.get("OPENMETADATA_URL"), os.environ.get("OPENMETADATA_TOKEN_FILE")
    if not url or not file:
        warnings.warn(SKIPPED, stacklevel=1)
        pytest.skip(SKIPPED)
    return url, Path(file).read_text(encoding="utf-8").strip()


@pytest.fixture
def graph(live: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Lineage]:
    """Where no server is named, no PostgreSQL is started either."""
    assert live
    yield from Lineage.fresh(request.getfixturevalue("postgres").database)


def lineage_of(client: httpx.Client, table: str) -> dict[str, Any]:
    answer = client.get(f"/lineage/table/name/{path_of(table)}", params={"upstreamDepth": 3, "downstreamDepth": 3})
    return dict(answer.raise_for_status().json())


def test_the_graph_arrives(live: tuple[str, str], graph: MadeGraph) -> None:
    """In a service of its own, which is removed again."""
    url, token = live
    service = f"lakehold_test_{secrets.token_hex(4)}"
    graph.edges("dbt:delays", EDGES)
    with httpx.Client(
        base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
    ) as client:
        try:
            with publishing(graph.connection.info.dsn, url, token=token, seconds=30, service=service):
                told(graph, seconds=120)
            assert row(graph)[3] == 0, graph.connection.execute("SELECT item, reason FROM sink_letter").fetchall()
            found = lineage_of(client, fqn(service, "lakehouse", "gold", "delays"))
            columns = [
                pair["toColumn"]
                for edge in found["upstreamEdges"]
                for pair in edge["lineageDetails"].get("columnsLineage", [])
            ]
            assert fqn(service, "lakehouse", "gold", "delays", "mean_delay") in columns
        finally:
            for kind, name in (("databaseServices", service), ("storageServices", f"{service}_files")):
                made = client.get(f"/services/{kind}/name/{name}")
                if made.is_success:
                    client.delete(
                        f"/services/{kind}/{made.json()['id']}", params={"hardDelete": True, "recursive": True}
                    )
