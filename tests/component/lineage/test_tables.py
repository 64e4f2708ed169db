"""The graph as Iceberg tables: every row in whatever pages, once, and nothing written when nothing has changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from lakehold.components.airflow_tasks import platform_of
from lakehold.lineage.tables import VIEWS
from made_graph import MadeGraph, column

pytestmark = pytest.mark.component

HERE = Path(__file__).parent
EDGES = [
    "silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION",
    "silver.flights.carrier -> gold.delays GROUP_BY",
]


@pytest.fixture
def graph(database: str) -> MadeGraph:
    return MadeGraph(database)


def pages(client: httpx.Client, table: str, limit: int) -> list[list[Any]]:
    """Read a table as the program does."""
    rows: list[list[Any]] = []
    width = len(VIEWS[table].key)
    while True:
        after = ",".join(str(part) for part in rows[-1][:width]) if rows else ""
        page = client.get(f"/api/v1/export/{table}", params={"limit": limit, "after": after}).json()
        rows += page
        if len(page) < limit:
            return rows


def test_pages_of_any_size_have_every_row_once(client: httpx.Client, graph: MadeGraph) -> None:
    graph.edges("dbt:delays", EDGES)
    for name, view in VIEWS.items():
        whole = pages(client, name, 1000)
        assert pages(client, name, 1) == whole
        assert all(len(row) == len(view.key) + len(view.columns) for row in whole)
        assert whole or name in ("lineage_runs", "lineage_snapshots")


def test_what_was_deleted_since_counts_as_a_change(client: httpx.Client, graph: MadeGraph) -> None:
    def state() -> dict[str, str]:
        return dict(client.get("/api/v1/export").json())

    seen = [state()]
    for _ in range(2):
        graph.connection.execute("INSERT INTO change (kind, id) VALUES ('edge', '1:2'), ('run', 'r')")
        seen.append(state())
        graph.connection.execute("DELETE FROM change")
        assert state() == seen[-1]
    assert len({one["lineage_edges"] for one in seen}) == len({one["lineage_runs"] for one in seen}) == 3
    assert len({one["lineage_processes"] for one in seen}) == 1


def test_a_commit_to_the_tables_themselves_is_no_change_of_them(client: httpx.Client, graph: MadeGraph) -> None:
    before = client.get("/api/v1/export").json()
    own = graph.node(column("ops.lineage_edges").table)
    graph.connection.execute("INSERT INTO change (kind, id) VALUES ('node', %s)", (str(own),))
    assert client.get("/api/v1/export").json() == before
    graph.connection.execute("DELETE FROM change")
    assert client.get("/api/v1/export").json() == before


def test_a_question_without_meaning_is_refused(client: httpx.Client) -> None:
    for query in ("limit=0", "limit=x", "limit=20001", "after=x", "after=1,2"):
        assert client.get(f"/api/v1/export/lineage_edges?{query}").status_code == 400
    assert client.get("/api/v1/export/event").status_code == 404
    assert client.get("/api/v1/export", headers={"Authorization": "Bearer x"}).status_code == 401


class Installation:
    """A lineage service with its catalog and object store, and the program that writes the tables."""

    def __init__(self, lab: Any, file: Path) -> None:
        for name in ("objectstore", "lineage"):
            lab.start(name)
        self.site = lab.site
        file.write_text(platform_of(self.site).dumps(), encoding="utf-8")
        self._environment = {
            "LAKEHOLD_PLATFORM": str(file),
            "PYTHONPATH": str(HERE.parents[2] / "platform" / "src"),
            "OPENLINEAGE_PARENT_ID": "lakehold/lineage_tables.tables/0196b6f4-0000-7000-8000-000000000001",
            "PATH": "/usr/bin:/bin",
        }
        secret = self.site.secrets["postgres.lineage"]
        self.graph = MadeGraph(
            f"host=127.0.0.1 port={self.site.ports['postgres']} dbname=lineage user=lineage password={secret}"
        )

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.site.pythons["engine"]), *arguments],
            env=self._environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def refresh(self) -> str:
        return self.run("-m", "lakehold.lineage.iceberg")

    def read(self, table: str) -> dict[str, Any]:
        return dict(json.loads(self.run(str(HERE / "tables_part.py"), table)))


@pytest.fixture(scope="module")
def installation(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(lab, tmp_path_factory.mktemp("tables") / "platform.json")


def test_the_tables_hold_the_graph(installation: Installation) -> None:
    installation.graph.edges("dbt:delays", EDGES)
    told = installation.refresh()
    assert all(f"ops.{name}: " in told for name in VIEWS)
    found = installation.read("ops.lineage_edges")
    aggregated = [row for row in found["rows"] if row["how"] == "AGGREGATION"]
    assert [(row["source"], row["source_column"], row["target"], row["target_column"]) for row in aggregated] == [
        ("silver.flights", "arr_delay", "gold.delays", "mean_delay")
    ]
    assert (aggregated[0]["process"], aggregated[0]["direct"], aggregated[0]["ended_at"]) == ("dbt:delays", True, None)
    assert found["summaries"][-1]["lakehold.task"].startswith("lakehold/lineage_tables.tables/")


def test_a_table_is_written_when_its_part_of_the_graph_has_changed(installation: Installation) -> None:
    installation.graph.edges("dbt:delays", EDGES)
    installation.refresh()
    assert installation.refresh().count("as it was") == len(VIEWS)
    installation.graph.edges("dbt:routes", ["silver.flights.dest -> gold.routes.dest IDENTITY"])
    installation.graph.connection.execute("INSERT INTO change (kind, id) VALUES ('edge', '1:2')")
    told = installation.refresh()
    assert "ops.lineage_edges: as it was" not in told
    assert told.count("as it was") == len(VIEWS) - 1
    targets = {row["target"] for row in installation.read("ops.lineage_edges")["rows"]}
    assert targets == {"gold.delays", "gold.routes"}


def test_a_table_of_many_pages_and_files_is_whole(installation: Installation) -> None:
    lines = [f"silver.flights.c{number} -> gold.wide.c{number} IDENTITY" for number in range(5)]
    installation.graph.edges("dbt:wide", lines)
    installation.graph.connection.execute("INSERT INTO change (kind, id) VALUES ('edge', '1:3')")
    small = "from lakehold.lineage import iceberg as i; i._FILE_BYTES = 1; i.Graph.pages.__defaults__ = (2,); i.main()"
    assert "ops.lineage_edges: as it was" not in installation.run("-c", small)
    rows = [row for row in installation.read("ops.lineage_edges")["rows"] if row["target"] == "gold.wide"]
    assert sorted(row["target_column"] for row in rows) == ["", *(f"c{number}" for number in range(5))]
