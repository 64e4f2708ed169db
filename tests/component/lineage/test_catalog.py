"""The catalog as the lineage service sees it: tables, columns and snapshots, each with the run that made it."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from lakehold.cli.context import Context
from lakehold.cli.lineage_coverage import coverage
from lakehold.components.objectstore_users import client as s3_client
from lakehold.errors import DataError, DifferenceError
from lakehold.tables.catalog import s3_endpoint
from made_catalog import BUCKET, MadeCatalog

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def lake(lab: Any) -> MadeCatalog:
    lab.start("objectstore")
    lab.start("lineage")
    return MadeCatalog(lab)


@pytest.fixture
def ask(lake: MadeCatalog) -> Iterator[httpx.Client]:
    site = lake.lab.site
    with httpx.Client(
        base_url=f"http://{site.host}:{site.ports['lineage']}/api/v1",
        headers={"Authorization": f"Bearer {site.secrets['lineage.token']}"},
        trust_env=False,
        timeout=10,
    ) as opened:
        yield opened


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what ``look`` finds once it is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.2)
    return found


def covered(ask: httpx.Client, table: str, snapshots: int) -> Callable[[], dict[str, Any] | None]:
    """Return a look at the coverage of a table that finds it once so many snapshots are explained."""

    def look() -> dict[str, Any] | None:
        found = ask.get("/coverage", params={"table": table}).json()
        return found if found["explained"] == found["snapshots"] == snapshots else None

    return look


def missing(ask: httpx.Client, table: str) -> Callable[[], Any]:
    return lambda: ask.get("/coverage", params={"table": table}).json()["missing"]


def moment() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(job: str, run: uuid.UUID, kind: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": moment(),
        "producer": "urn:test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        "run": {"runId": str(run), "facets": more.pop("facets", {})},
        "job": {"namespace": "lakehold", "name": job},
        "inputs": [],
        "outputs": [],
        **more,
    }


def send(ask: httpx.Client, *events: dict[str, Any]) -> None:
    for one in events:
        assert ask.post("/lineage", json=one).status_code == 201


def query_run(query: str) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.md5(query.encode(), usedforsecurity=False).digest(), version=3)


def trino(name: str) -> dict[str, str]:
    return {"namespace": "trino://127.0.0.1:18443", "name": f"lakehouse.{name}"}


def test_a_table_is_known_with_columns_and_comment_before_any_event(lake: MadeCatalog, ask: httpx.Client) -> None:
    lake.create("silver.planes", {"tailnum": "string", "seats": "int"}, comment="Aircraft by their tail number")
    node = until(lambda: (got := ask.get("/node", params={"name": "silver.planes"})).is_success and got.json())
    assert (node["kind"], node["description"]) == ("table", "Aircraft by their tail number")
    columns = [(one["name"], one["type"], one["description"]) for one in node["fields"] if one["name"]]
    assert columns == [("tailnum", "string", "The tailnum"), ("seats", "int", "The seats")]


def test_a_query_of_trino_explains_its_snapshot(lake: MadeCatalog, ask: httpx.Client) -> None:
    lake.create("gold.delays", {"carrier": "string"})
    snapshot = lake.commit("gold.delays", trino_query_id="20131201_000000_00001_abcde", trino_user="dbt")
    (one,) = until(missing(ask, "gold.delays"))
    assert (one["table"], one["snapshot"], one["state"]) == ("gold.delays", str(snapshot), "unexplained")
    assert one["made_by"] == "query 20131201_000000_00001_abcde of user dbt"
    run = query_run("20131201_000000_00001_abcde")
    send(
        ask, event("20131201_000000_00001_abcde", run, inputs=[trino("silver.flights")], outputs=[trino("gold.delays")])
    )
    until(covered(ask, "gold.delays", 1))


def test_what_is_written_in_a_shadow_is_the_target_s(lake: MadeCatalog, ask: httpx.Client) -> None:
    lake.create("gold.routes", {"origin": "string"})
    shadow = "gold__audit_0123456789.routes"
    lake.clone("gold.routes", shadow)
    query = "20131201_000000_00002_abcde"
    lake.commit(shadow, trino_query_id=query)
    send(ask, event(query, query_run(query), outputs=[trino(shadow)]))
    until(covered(ask, "gold.routes", 1))
    lake.publish(shadow, "gold.routes")
    query = "20131201_000000_00003_abcde"
    lake.commit("gold.routes", trino_query_id=query)
    send(ask, event(query, query_run(query), outputs=[trino("gold.routes")]))
    until(covered(ask, "gold.routes", 2))


def test_a_shadow_that_is_discarded_leaves_nothing_to_explain(lake: MadeCatalog, ask: httpx.Client) -> None:
    lake.create("gold.use", {"tailnum": "string"})
    shadow = "gold__audit_fedcba9876.use"
    lake.clone("gold.use", shadow)
    lake.commit(shadow, trino_query_id="20131201_000000_00004_abcde")
    until(missing(ask, "gold.use"))
    lake.drop(shadow)
    until(lambda: not missing(ask, "gold.use")())


def spark(table: str, lake: MadeCatalog, version: int | None = None) -> dict[str, Any]:
    bucket, _, path = lake.tables[table].place.removeprefix("s3://").partition("/")
    facets: dict[str, Any] = {
        "symlinks": {"identifiers": [{"namespace": "hive://lakehouse", "name": table, "type": "TABLE"}]},
        **({"version": {"datasetVersion": str(version)}} if version else {}),
    }
    return {"namespace": f"s3://{bucket}", "name": path, "facets": facets}


def test_spark_s_statement_names_the_snapshot_or_is_found_by_time(lake: MadeCatalog, ask: httpx.Client) -> None:
    lake.create("bronze.flights", {"carrier": "string"})
    application = {"spark_applicationDetails": {"applicationId": "local-1385856000000"}}
    by_version, by_time = uuid.uuid4(), uuid.uuid4()
    first = lake.commit("bronze.flights", spark__app__id="local-1385856000000")
    send(ask, event("load.append", by_version, outputs=[spark("bronze.flights", lake, first)]))
    send(ask, event("load.append", by_time, "START", facets=application, outputs=[spark("bronze.flights", lake)]))
    second = lake.commit("bronze.flights", spark__app__id="local-1385856000000")
    send(ask, event("load.append", by_time, outputs=[spark("bronze.flights", lake)]))
    until(covered(ask, "bronze.flights", 2))
    with database(lake) as connection:
        rows = connection.execute(
            "SELECT snapshot_id, run_id, matched_by FROM snapshot WHERE snapshot_id = ANY(%s)", ([first, second],)
        ).fetchall()
    assert set(rows) == {(first, by_version, "version"), (second, by_time, "application")}


def test_an_application_whose_statement_was_lost_is_partly_known(lake: MadeCatalog, ask: httpx.Client) -> None:
    lake.create("bronze.weather", {"origin": "string"})
    application = {"spark_applicationDetails": {"applicationId": "local-1385856000001"}}
    run = uuid.uuid4()
    send(ask, event("flights_daily_bronze_load", run, "START", facets=application))
    named = {"app-name": "flights_daily.bronze.load"}
    lake.commit("bronze.weather", spark__app__id="local-1385856000001", **named)
    (one,) = until(lambda: [one for one in missing(ask, "bronze.weather")() if one["state"] == "partly"])
    assert (one["run"], one["job"]) == (str(run), "flights_daily_bronze_load")
    assert one["made_by"] == "Spark application local-1385856000001 (flights_daily.bronze.load)"


def test_compaction_needs_its_run_only(lake: MadeCatalog, ask: httpx.Client) -> None:
    lake.create("silver.weather", {"origin": "string"})
    query = "20131201_000000_00005_abcde"
    lake.commit("silver.weather", operation="replace", trino_query_id=query)
    send(ask, event(query, query_run(query)))
    until(covered(ask, "silver.weather", 1))


def test_a_view_is_explained_by_the_run_that_wrote_it_then(lake: MadeCatalog, ask: httpx.Client) -> None:
    query = "20131201_000000_00006_abcde"
    send(ask, event(query, query_run(query), "START"))
    lake.view("gold.stg_flights", "SELECT carrier FROM silver.flights", ["carrier"])
    send(ask, event(query, query_run(query), outputs=[trino("gold.stg_flights")]))
    until(covered(ask, "gold.stg_flights", 1))
    node = ask.get("/node", params={"name": "gold.stg_flights"}).json()
    assert node["kind"] == "view"


def named(task: str, **more: str) -> dict[str, str]:
    """What a snapshot says of the task that made it."""
    root = f"lakehold/flights_daily/{uuid.uuid4()}"
    return {"lakehold__task": f"lakehold/{task}/{uuid.uuid4()}", "lakehold__root": root, **more}


def test_a_program_s_snapshot_names_its_task_and_so_the_graph_knows_who_wrote_it(
    lake: MadeCatalog, ask: httpx.Client
) -> None:
    lake.create("ops.quality_results", {"rule": "string"})
    summary = named("flights_daily.gold.gate", lakehold__program="quality.results")
    run = uuid.UUID(summary["lakehold__task"].rpartition("/")[2])
    job = {"jobType": {"processingType": "BATCH", "integration": "AIRFLOW", "jobType": "TASK"}}
    told = event("flights_daily.gold.gate", run, "START")
    send(ask, {**told, "job": {**told["job"], "facets": job}})
    lake.commit("ops.quality_results", **summary)
    assert until(covered(ask, "ops.quality_results", 1))["rederived"] == 0
    runs = until(lambda: ask.get("/runs", params={"dataset": "ops.quality_results"}).json()["runs"])
    assert [one["run_id"] for one in runs] == [str(run)]
    send(ask, event("flights_daily.gold.gate", run))
    assert until(lambda: [one for one in ask.get("/runs", params={"run": str(run)}).json()["runs"] if one["ended_at"]])


def test_after_a_loss_a_program_is_known_again_and_of_a_spark_task_all_but_what_it_read(
    lake: MadeCatalog, ask: httpx.Client
) -> None:
    lake.create("ops.table_maintenance", {"action": "string"})
    lake.create("bronze.planes", {"tailnum": "string"})
    program = named("table_maintenance.tables", lakehold__program="tables.maintenance")
    lake.commit("ops.table_maintenance", days_ago=1, **program)
    application = {"spark__app__id": "local-1385856000009", "app-name": "flights_daily.bronze.load"}
    summary = named("flights_daily.bronze.load", **application)
    lake.commit("bronze.planes", days_ago=1, **summary)
    assert until(covered(ask, "ops.table_maintenance", 1))["rederived"] == 1
    (one,) = until(lambda: [one for one in missing(ask, "bronze.planes")() if one["state"] == "partly"])
    assert (one["run"], one["job"]) == (summary["lakehold__task"].rpartition("/")[2], "flights_daily.bronze.load")
    (run,) = ask.get("/runs", params={"run": one["run"]}).json()["runs"]
    assert (run["parent_job_name"], run["outputs"]) == ("flights_daily", [])


def test_a_view_that_nobody_told_of_is_read_in_the_catalog(lake: MadeCatalog, ask: httpx.Client) -> None:
    lake.create("silver.carriers", {"carrier": "string", "name": "string"})
    lake.view("gold.names", "SELECT upper(c.name) AS name FROM silver.carriers c", ["name"], days_ago=1)
    assert until(covered(ask, "gold.names", 1))["rederived"] == 1

    def edges() -> set[tuple[str, str]]:
        graph = ask.get("/graph", params={"of": "gold.names.name", "direction": "up"}).json()
        return {(edge["how"], edge["believed"]) for edge in graph["edges"] if edge["how"]}

    assert until(edges) == {("TRANSFORMATION", "sql")}


def test_a_table_that_cannot_be_read_is_named_and_keeps_no_other_back(lake: MadeCatalog, ask: httpx.Client) -> None:
    with lake.connect() as connection:
        for name, file in (("gone", "s3://lakehouse/gold/gone/metadata/1.metadata.json"), ("local", "file:///tmp/1")):
            connection.execute(
                "INSERT INTO iceberg_tables VALUES ('lakehouse', 'broken', %s, %s, NULL, 'TABLE')", (name, file)
            )
    lake.create("gold.after", {"carrier": "string"})
    lake.commit("gold.after", rows=0, trino_query_id="20131201_000000_00007_abcde")
    until(missing(ask, "gold.after"))
    names = {"broken.gone", "broken.local"}
    unread = until(lambda: (found := ask.get("/coverage").json()["unread"]).keys() == names and found)
    assert "NoSuchKey" in unread["broken.gone"]
    assert unread["broken.local"] == "file:///tmp/1 is in no S3 store"
    for name in unread:
        lake.drop(name)
    until(lambda: ask.get("/coverage").json()["unread"] == {})


def test_the_command_names_what_is_missing_and_fails_when_told_to(
    lake: MadeCatalog, ask: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.create("gold.weather_impact", {"origin": "string"})
    snapshot = lake.commit("gold.weather_impact", engine_name="by hand")
    until(missing(ask, "gold.weather_impact"))
    monkeypatch.setattr(Context, "existing_site", lambda _: lake.lab.site)
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(coverage, ["gold.weather_impact"])
    assert result.exit_code == 0, result.output
    assert str(snapshot) in result.output
    assert "it names no query, application or task" in result.output
    assert "0 of 1 snapshots are explained (0 %); 1 by nothing; 1 table." in result.output
    assert json.loads(CliRunner().invoke(coverage, ["gold.weather_impact", "--json"]).output)["unexplained"] == 1
    with pytest.raises(DifferenceError, match=r"^0 % of the snapshots are explained, less than 100 %"):
        CliRunner().invoke(coverage, ["gold.weather_impact", "--at-least", "100"], catch_exceptions=False)
    with pytest.raises(DataError, match=r"No snapshot of gold\.nothing is known"):
        CliRunner().invoke(coverage, ["gold.nothing"], catch_exceptions=False)


def database(lake: MadeCatalog) -> psycopg.Connection:
    site = lake.lab.site
    return psycopg.connect(
        host=site.host,
        port=site.ports["postgres"],
        dbname="lineage",
        user="lineage",
        password=site.secrets["postgres.lineage"],
    )


def test_the_service_may_look_at_the_catalog_and_touch_nothing(lake: MadeCatalog) -> None:
    table = lake.tables["silver.planes"]
    with lake.connect("lineage") as connection:
        assert connection.execute("SELECT count(*) > 0 FROM iceberg_tables").fetchone() == (True,)
        for statement in (
            "DELETE FROM iceberg_tables",
            "UPDATE iceberg_tables SET metadata_location = ''",
            "INSERT INTO audit.publications SELECT * FROM audit.publications",
            "SELECT * FROM audit.shadows",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    site = lake.lab.site
    own = s3_client(s3_endpoint(site), "lineage", site.secrets["s3.lineage"])
    key = table.location.removeprefix(f"s3://{BUCKET}/")
    assert own.get_object(Bucket=BUCKET, Key=key)["ContentLength"]
    data = key.replace("metadata.json", "parquet").replace("/metadata/", "/data/")
    lake.s3.put_object(Bucket=BUCKET, Key=data, Body=b"rows")
    for call, arguments in (
        (own.get_object, {"Key": data}),
        (own.get_object, {"Key": key.replace(".metadata.json", "-m0.avro")}),
        (own.put_object, {"Key": key}),
        (own.delete_object, {"Key": key}),
        (own.list_objects_v2, {}),
    ):
        with pytest.raises(ClientError) as refused:
            call(Bucket=BUCKET, **arguments)
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
