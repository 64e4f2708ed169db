"""Trino from its declaration: TLS, passwords, rules. Every refusal is a refused request to the real server."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import requests
from lakehold.components.trino import TRINO, url
from lakehold.components.trino_rules import OBSERVER, PEOPLE, SERVICES
from lakehold.config.ancestry import Ancestor, Ancestry, trino_tags
from lakehold.lineage.catalog.history import History
from lakehold.lineage.catalog.source import Trino
from lakehold.lineage.trino import run_id
from trino.auth import BasicAuthentication
from trino.dbapi import connect
from trino.exceptions import HttpError, TrinoUserError
from trino_ear import Ear, listening

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def trino(lab: Any) -> Any:
    lab.start("trino")
    for schema in ("bronze", "silver", "ops"):
        sql(lab, "admin", f"CREATE TABLE IF NOT EXISTS lakehouse.{schema}.flights AS SELECT 'UA' carrier, 3 arr_delay")
    sql(lab, "admin", "CREATE TABLE IF NOT EXISTS lakehouse.gold.delays AS SELECT 'UA' carrier, 3e0 arr_delay")
    return lab


@pytest.fixture
def trusted(trino: Any) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=trino.site.tls / "ca.pem")


def sql(lab: Any, user: str, statement: str, *, as_user: str | None = None) -> list[list[Any]]:
    auth = BasicAuthentication(user, lab.site.secrets[f"trino.{user}"])
    session = requests.Session()
    # Otherwise REQUESTS_CA_BUNDLE, where it is set, decides whom we trust.
    session.trust_env = False
    session.verify = str(lab.site.tls / "ca.pem")
    login = {"user": as_user or user, "auth": auth, "http_scheme": "https"}
    with connect(host="127.0.0.1", port=lab.site.ports["trino"], http_session=session, **login) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return [list(row) for row in cursor.fetchall()]


def refusal(lab: Any, user: str, statement: str) -> str:
    with pytest.raises(TrinoUserError) as refused:
        sql(lab, user, statement)
    return str(refused.value.error_name)


@pytest.mark.parametrize("user", [*PEOPLE, *SERVICES])
def test_everyone_logs_in_with_the_generated_password(trino: Any, user: str) -> None:
    assert sql(trino, user, "SELECT current_user") == [[user]]


@pytest.mark.parametrize(("user", "password"), [("admin", "wrong"), ("admin", ""), ("admin", "admin"), ("root", "x")])
def test_a_wrong_or_missing_password_is_refused(trino: Any, trusted: Any, user: str, password: str) -> None:
    answer = httpx.post(
        f"{url(trino.site)}/v1/statement", content="SELECT 1", auth=(user, password), verify=trusted, trust_env=False
    )
    assert answer.status_code == 401


def test_no_credentials_at_all_are_refused(trino: Any, trusted: Any) -> None:
    for headers in ({}, {"X-Trino-User": "admin"}):
        answer = httpx.post(
            f"{url(trino.site)}/v1/statement", content="SELECT 1", headers=headers, verify=trusted, trust_env=False
        )
        assert answer.status_code == 401


def test_plain_http_is_refused(trino: Any) -> None:
    plain = url(trino.site).replace("https://", "http://")
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{plain}/v1/info", trust_env=False)


def test_the_certificate_is_ours_and_others_do_not_trust_it(trino: Any) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{url(trino.site)}/v1/info", verify=ssl.create_default_context(), trust_env=False)


def test_it_listens_on_loopback_only(trino: Any) -> None:
    for process in trino.running.values():
        listening = [
            c.laddr for c in psutil.Process(process.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    outside = [
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET and name != "lo"
    ]
    for address in outside:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, trino.site.ports["trino"]), timeout=2)


def test_an_analyst_reads_gold_only(trino: Any) -> None:
    assert sql(trino, "analyst", "SELECT * FROM lakehouse.gold.delays") == [["UA", 3.0]]
    for schema in ("silver", "bronze", "ops"):
        assert refusal(trino, "analyst", f"SELECT * FROM lakehouse.{schema}.flights") == "PERMISSION_DENIED"
    assert refusal(trino, "analyst", 'SELECT * FROM lakehouse.silver."flights$files"') == "PERMISSION_DENIED"


def test_an_analyst_sees_only_what_it_may_read(trino: Any) -> None:
    assert sql(trino, "analyst", "SHOW SCHEMAS FROM lakehouse") == [["gold"]]
    tables = "SELECT table_schema, table_name FROM lakehouse.information_schema.tables WHERE table_schema <> "
    assert sql(trino, "analyst", f"{tables} 'information_schema'") == [["gold", "delays"]]
    columns = (
        "SELECT count(*) FROM lakehouse.information_schema.columns WHERE table_schema IN ('silver', 'bronze', 'ops')"
    )
    assert sql(trino, "analyst", columns) == [[0]]
    comments = "SELECT DISTINCT schema_name FROM system.metadata.table_comments WHERE catalog_name = 'lakehouse'"
    assert ["silver"] not in sql(trino, "analyst", comments)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO lakehouse.gold.delays VALUES ('XX', 1e0)",
        "UPDATE lakehouse.gold.delays SET carrier = 'XX'",
        "DELETE FROM lakehouse.gold.delays",
        "DROP TABLE lakehouse.gold.delays",
        "ALTER TABLE lakehouse.gold.delays ADD COLUMN a int",
        "ALTER TABLE lakehouse.gold.delays EXECUTE optimize",
        "CREATE TABLE lakehouse.gold.mine (a int)",
        "CREATE VIEW lakehouse.gold.mine AS SELECT 1 a",
        "CREATE SCHEMA lakehouse.mine",
        "INSERT INTO lakehouse.silver.flights VALUES ('XX', 1)",
        "CALL lakehouse.system.register_table('gold', 'mine', 's3://lakehouse/silver/flights')",
        "SELECT * FROM TABLE(lakehouse.system.table_changes('silver', 'flights', 1, 2))",
        "SELECT * FROM system.runtime.tasks",
        "SELECT * FROM system.runtime.nodes",
        "CALL system.runtime.kill_query('20260101_000000_00000_aaaaa', 'no')",
        "SET SESSION query_max_memory = '100GB'",
        "SET SESSION lakehouse.parquet_max_read_block_size = '1GB'",
    ],
)
def test_an_analyst_is_refused(trino: Any, statement: str) -> None:
    assert refusal(trino, "analyst", statement) in {"PERMISSION_DENIED", "NOT_SUPPORTED"}


def test_a_read_only_right_takes_no_maintenance_and_still_travels_in_time(trino: Any) -> None:
    for user, table in (("analyst", "gold.delays"), ("dbt", "silver.flights"), ("gates", "silver.flights")):
        for procedure in ("optimize", "expire_snapshots(retention_threshold => '7d')", "remove_orphan_files"):
            assert refusal(trino, user, f"ALTER TABLE lakehouse.{table} EXECUTE {procedure}") == "NOT_SUPPORTED"
    schema, table = "gold", "delays"
    snapshots = f'SELECT snapshot_id FROM lakehouse.{schema}."{table}$snapshots"'
    snapshot = sql(trino, "analyst", snapshots)[0][0]
    assert sql(trino, "analyst", f"SELECT * FROM lakehouse.{schema}.{table} FOR VERSION AS OF {snapshot}") == [
        ["UA", 3.0]
    ]


def test_an_engineer_writes_the_layers_and_reads_ops(trino: Any) -> None:
    for schema in ("bronze", "silver", "gold"):
        sql(trino, "engineer", f"CREATE TABLE lakehouse.{schema}.scratch AS SELECT 1 a")
        sql(trino, "engineer", f"UPDATE lakehouse.{schema}.scratch SET a = 2")
        assert sql(trino, "engineer", f"SELECT a FROM lakehouse.{schema}.scratch") == [[2]]
        sql(trino, "engineer", f"DROP TABLE lakehouse.{schema}.scratch")
    assert refusal(trino, "engineer", "CREATE TABLE lakehouse.ops.scratch AS SELECT 1 a") == "PERMISSION_DENIED"
    assert refusal(trino, "engineer", "ALTER SCHEMA lakehouse.gold RENAME TO mine") == "PERMISSION_DENIED"
    assert refusal(trino, "engineer", "CREATE SCHEMA lakehouse.mine") == "PERMISSION_DENIED"


def test_dbt_writes_gold_and_its_shadows_and_only_reads_silver(trino: Any) -> None:
    for schema in ("gold", "gold__audit_run1"):
        sql(trino, "dbt", f"CREATE SCHEMA IF NOT EXISTS lakehouse.{schema}")
        sql(trino, "dbt", f"CREATE TABLE lakehouse.{schema}.mart AS SELECT * FROM lakehouse.silver.flights")
        sql(trino, "dbt", f"CREATE OR REPLACE TABLE lakehouse.{schema}.mart AS SELECT * FROM lakehouse.silver.flights")
        sql(trino, "dbt", f"DROP TABLE lakehouse.{schema}.mart")
    sql(trino, "dbt", "DROP SCHEMA lakehouse.gold__audit_run1")
    merge = (
        "MERGE INTO lakehouse.gold.merged t USING lakehouse.silver.flights s ON t.carrier = s.carrier "
        "WHEN MATCHED THEN UPDATE SET arr_delay = s.arr_delay + 1 "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.carrier, s.arr_delay)"
    )
    sql(trino, "dbt", "CREATE TABLE lakehouse.gold.merged (carrier varchar, arr_delay int)")
    sql(trino, "dbt", merge)
    sql(trino, "dbt", merge)
    assert sql(trino, "dbt", "SELECT * FROM lakehouse.gold.merged") == [["UA", 4]]
    sql(trino, "dbt", "DROP TABLE lakehouse.gold.merged")
    assert refusal(trino, "dbt", "DELETE FROM lakehouse.silver.flights") == "PERMISSION_DENIED"
    assert refusal(trino, "dbt", "CREATE SCHEMA lakehouse.mine") == "PERMISSION_DENIED"
    assert refusal(trino, "dbt", "SELECT * FROM lakehouse.ops.flights") == "PERMISSION_DENIED"


def test_a_gold_view_of_dbt_shows_silver_to_an_analyst_and_the_table_stays_closed(trino: Any) -> None:
    sql(trino, "dbt", "CREATE OR REPLACE VIEW lakehouse.gold.seen AS SELECT carrier FROM lakehouse.silver.flights")
    try:
        assert sql(trino, "analyst", "SELECT * FROM lakehouse.gold.seen") == [["UA"]]
    finally:
        sql(trino, "dbt", "DROP VIEW lakehouse.gold.seen")


def test_gates_read_everything_and_write_ops(trino: Any) -> None:
    assert sql(trino, "gates", "SELECT count(*) FROM lakehouse.silver.flights") == [[1]]
    sql(trino, "gates", "CREATE TABLE lakehouse.ops.scratch AS SELECT 1 a")
    sql(trino, "gates", "DROP TABLE lakehouse.ops.scratch")
    assert refusal(trino, "gates", "DELETE FROM lakehouse.gold.delays") == "PERMISSION_DENIED"


def test_nobody_speaks_for_another(trino: Any) -> None:
    for user in ("analyst", "dbt", "admin"):
        with pytest.raises((HttpError, TrinoUserError), match=r"403|impersonate"):
            sql(trino, user, "SELECT 1", as_user="engineer")


def test_only_the_admin_sees_and_kills_the_queries_of_others(trino: Any) -> None:
    sql(trino, "engineer", "SELECT 'a secret of the engineer'")
    asked = "SELECT count(*) FROM system.runtime.queries WHERE \"user\" = 'engineer'"
    assert sql(trino, "analyst", asked) == [[0]]
    assert sql(trino, "admin", asked)[0][0] > 0
    own = "SELECT count(*) FROM system.runtime.queries WHERE \"user\" = 'analyst'"
    assert sql(trino, "analyst", own)[0][0] > 0


def test_the_web_ui_takes_a_form_login_over_https_only(trino: Any, trusted: Any) -> None:
    with httpx.Client(base_url=url(trino.site), verify=trusted, trust_env=False, follow_redirects=True) as browser:
        assert browser.get("/ui/api/query").status_code == 401
        wrong = browser.post("/ui/login", data={"username": "admin", "password": "wrong"})
        assert "/ui/login.html" in str(wrong.url)
        good = browser.post("/ui/login", data={"username": "admin", "password": trino.site.secrets["trino.admin"]})
        assert good.status_code == 200
        assert len(browser.get("/ui/api/query").json()) > 0
        cookie = next(iter(browser.cookies.jar))
        assert cookie.secure
        assert cookie.has_nonstandard_attr("HttpOnly")


def test_the_inner_api_wants_the_shared_secret(trino: Any, trusted: Any) -> None:
    for path in ("/v1/task", "/v1/memory", "/v1/node", "/v1/thread", "/v1/query"):
        answer = httpx.get(f"{url(trino.site)}{path}", verify=trusted, trust_env=False)
        assert answer.status_code in {401, 403}, path
    login = ("analyst", trino.site.secrets["trino.analyst"])
    down = httpx.put(
        f"{url(trino.site)}/v1/info/state", content='"SHUTTING_DOWN"', auth=login, verify=trusted, trust_env=False,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert down.status_code == 403


def test_no_secret_is_in_the_log_the_command_or_a_readable_file(trino: Any) -> None:
    log = trino.log("trino").read_text(errors="replace")
    command = " ".join(TRINO.processes[0].command(trino.site))
    assert not [name for name, value in trino.site.secrets.items() if value in log or value in command]
    files = [path for path in trino.site.conf("trino").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    assert (Path(trino.site.tls / "server.pem").stat().st_mode & 0o077) == 0


def test_the_environment_is_only_what_is_declared(trino: Any) -> None:
    (process,) = TRINO.processes
    pid = trino.running["trino"].pid
    found = dict(line.split("=", 1) for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if line)
    assert found == process.environment(trino.site)
    assert set(found) <= {"PATH", "HOME", "LANG", "TZ"}


def test_schemas_lie_in_the_warehouse_and_the_task_runs_again(trino: Any) -> None:
    (task,) = TRINO.after
    trino.run(task)
    assert sql(trino, "admin", "SHOW SCHEMAS FROM lakehouse LIKE 'silver'") == [["silver"]]
    shown = sql(trino, "admin", "SHOW CREATE SCHEMA lakehouse.silver")[0][0]
    assert "location = 's3://lakehouse/silver'" in shown


def test_the_rules_on_disk_are_valid_json_and_say_what_the_declaration_says(trino: Any) -> None:
    written = json.loads((trino.site.conf("trino") / "etc" / "rules.json").read_text())
    assert written["impersonation"][0]["allow"] is False


def test_the_lineage_service_looks_at_the_queries_of_others_and_runs_none(trino: Any) -> None:
    site = trino.site
    assert refusal(trino, OBSERVER, "SELECT 1") == "PERMISSION_DENIED"
    own = Ancestry(
        task=Ancestor("lakehold", "flights_daily.gold.marts.build", "013bf368-5800-7e11-a5f4-ac7a0434c387"),
        root=Ancestor("lakehold", "flights_daily", "013bf368-5800-798a-b6cb-ade3d0a16315"),
    )
    session = requests.Session()
    session.trust_env, session.verify = False, str(site.tls / "ca.pem")
    select = "SELECT carrier, max(arr_delay) AS worst FROM lakehouse.silver.flights GROUP BY 1"
    statement = f"CREATE TABLE lakehouse.gold.told AS {select}"
    with connect(
        host="127.0.0.1",
        port=site.ports["trino"],
        http_session=session,
        http_scheme="https",
        user="dbt",
        auth=BasicAuthentication("dbt", site.secrets["trino.dbt"]),
        client_tags=trino_tags(own),
        catalog="lakehouse",
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.fetchall()
        query = str(cursor.query_id)
    known = History(
        Trino(
            url=url(site),
            ca=str(site.tls / "ca.pem"),
            user=OBSERVER,
            password=site.secrets[f"trino.{OBSERVER}"],
            trusted=frozenset({"dbt"}),
        )
    )
    body = asyncio.run(known.event(query))
    assert body is not None
    event = json.loads(body)
    assert (event["eventType"], event["run"]["runId"]) == ("COMPLETE", str(run_id(query)))
    assert event["job"]["facets"]["sql"]["query"] == statement
    assert event["run"]["facets"]["parent"]["job"]["name"] == "flights_daily.gold.marts.build"
    assert event["run"]["facets"]["lakehold_query"]["user"] == "dbt"
    assert [one["name"] for one in event["inputs"]] == ["lakehouse.silver.flights"]
    assert [one["name"] for one in event["outputs"]] == ["lakehouse.gold.told"]
    assert event["outputs"][0]["namespace"] == f"trino://127.0.0.1:{site.ports['trino']}"
    assert asyncio.run(known.event("20131201_000000_00000_abcde")) is None


@pytest.fixture
def ear(trino: Any) -> Iterator[Ear]:
    with listening(trino.site) as found:
        yield found


def test_trino_tells_of_a_query_who_asked_and_what_it_read_and_wrote(trino: Any, ear: Ear) -> None:
    sql(trino, "engineer", "CREATE TABLE lakehouse.silver.heard AS SELECT carrier c FROM lakehouse.silver.flights")
    assert ear.hears("silver.heard", "START")["job"]["namespace"] == "lakehold"
    event = ear.hears("silver.heard")
    said = event["run"]["facets"]["lakehold_query"]
    assert (said["user"], said["query_type"], said["model"]) == ("engineer", "INSERT", None)
    assert event["run"]["runId"] == str(run_id(said["query_id"]))
    where = f"trino://127.0.0.1:{trino.site.ports['trino']}"
    assert [(one["namespace"], one["name"]) for one in event["inputs"]] == [(where, "lakehouse.silver.flights")]
    (wrote,) = event["outputs"]
    assert (wrote["namespace"], wrote["name"]) == (where, "lakehouse.silver.heard")
    assert wrote["facets"]["columnLineage"]["fields"]["c"]["inputFields"] == [
        {"namespace": where, "name": "lakehouse.silver.flights", "field": "carrier"}
    ]
    assert wrote["outputFacets"]["outputStatistics"]["rowCount"] == 1


def test_trino_tells_of_a_query_that_failed(trino: Any, ear: Ear) -> None:
    refusal(
        trino, "engineer", "INSERT INTO lakehouse.silver.flights SELECT carrier, 1 / 0 FROM lakehouse.silver.flights"
    )
    assert "Division by zero" in ear.hears("1 / 0", "FAIL")["run"]["facets"]["errorMessage"]["message"]


def test_no_query_waits_for_lineage_and_what_was_not_taken_comes_again(trino: Any, ear: Ear) -> None:
    ear.answering.clear()
    ear.status = 503
    sql(trino, "engineer", "CREATE OR REPLACE TABLE lakehouse.silver.heard AS SELECT 'waited for nobody' AS c")
    # The query has ended while no request of Trino's was answered.
    assert not ear.answering.is_set()
    ear.hears("waited for nobody")
    ear.answering.set()
    ear.hears("waited for nobody", times=2)
    ear.status = 201


def test_lineage_covers_every_kind_of_statement(trino: Any) -> None:
    trino.start("lineage")
    table = "lakehouse.gold.covered"
    for statement in (
        f"CREATE TABLE {table} (carrier varchar, arr_delay integer)",
        f"INSERT INTO {table} SELECT carrier, arr_delay FROM lakehouse.silver.flights",
        f"INSERT INTO {table} VALUES ('AA', 1), ('BB', 2)",
        f"UPDATE {table} SET arr_delay = arr_delay + 1 WHERE carrier = 'AA'",
        f"DELETE FROM {table} WHERE carrier = 'BB'",
        f"MERGE INTO {table} t USING lakehouse.silver.flights s ON t.carrier = s.carrier "
        "WHEN MATCHED THEN UPDATE SET arr_delay = s.arr_delay",
        f"ALTER TABLE {table} EXECUTE optimize",
        f"DELETE FROM {table}",
        f"CREATE OR REPLACE TABLE {table} AS SELECT carrier FROM lakehouse.silver.flights",
        f"CREATE VIEW {table}_view AS SELECT carrier FROM {table}",
    ):
        sql(trino, "admin", statement)
    (count,) = sql(trino, "admin", 'SELECT count(*) FROM lakehouse.gold."covered$snapshots"')[0]
    site = trino.site
    token = {"Authorization": f"Bearer {site.secrets['lineage.token']}"}
    address = f"http://127.0.0.1:{site.ports['lineage']}/api/v1/coverage"
    deadline = time.monotonic() + 60
    for name, expected in (("gold.covered", count), ("gold.covered_view", 1)):
        while True:
            found = httpx.get(address, params={"table": name}, headers=token, trust_env=False).json()
            if found["explained"] == expected == found["snapshots"]:
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.5)
