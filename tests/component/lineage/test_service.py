import gzip
import json
import time
import uuid
from typing import Any

import httpx
import psycopg
import pytest

pytestmark = pytest.mark.component


def an_event(**changes: Any) -> dict[str, Any]:
    event = {
        "eventType": "START",
        "eventTime": "2013-01-01T05:00:00.000Z",
        "run": {"runId": str(uuid.uuid4())},
        "job": {"namespace": "lakehold", "name": "flights_daily.bronze"},
        "inputs": [{"namespace": "s3://landing", "name": "flights/2013-01-01.csv"}],
        "outputs": [{"namespace": "lakehouse", "name": "bronze.flights"}],
        "producer": "urn:test",
        "schemaURL": "urn:schema",
    }
    return {**event, **changes}


def eventually(client: httpx.Client, path: str, wanted: Any) -> list[dict[str, Any]]:
    """Ask until ``wanted(rows)``: the graph follows the journal by a moment."""
    deadline = time.monotonic() + 10
    while True:
        rows: list[dict[str, Any]] = next(iter(client.get(path).json().values()))
        if wanted(rows):
            return rows
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)


def test_an_event_is_durable_when_it_is_answered(client: httpx.Client, database: str) -> None:
    event = an_event()
    assert client.post("/api/v1/lineage", json=event).status_code == 201
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT body::jsonb, event_time, job_name FROM event").fetchall()
    assert [(row[0], row[2]) for row in rows] == [(event, "flights_daily.bronze")]
    assert rows[0][1].isoformat() == "2013-01-01T05:00:00+00:00"


def test_the_same_event_again_is_stored_once(client: httpx.Client, database: str) -> None:
    event = an_event()
    reordered = dict(reversed(event.items()))
    bodies = [json.dumps(event), json.dumps(event, indent=2), json.dumps(reordered)]
    assert [client.post("/api/v1/lineage", content=body).status_code for body in bodies] == [201, 201, 201]
    assert client.post("/api/v1/lineage/batch", json=[event, event]).status_code == 201
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (1,)


def test_gzip_and_batch(client: httpx.Client) -> None:
    body = gzip.compress(json.dumps([an_event(), an_event()]).encode())
    answer = client.post("/api/v1/lineage/batch", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 201
    assert answer.json() == {"received": 2, "accepted": 2, "rejected": []}
    assert client.post("/api/v1/lineage/batch", json=[]).status_code == 201


def test_what_is_malformed_is_kept_aside_with_the_reason(client: httpx.Client, database: str) -> None:
    for _ in range(2):
        answer = client.post("/api/v1/lineage", json=an_event(run={"runId": "seven"}))
        assert answer.status_code == 400
        assert answer.json() == {"error": "run.runId must be a UUID"}
    mixed = client.post("/api/v1/lineage/batch", json=[an_event(), {"eventTime": 1}, an_event()])
    assert mixed.status_code == 207
    assert mixed.json() == {
        "received": 3,
        "accepted": 2,
        "rejected": [{"index": 1, "reason": "eventTime must be text, not empty"}],
    }
    assert client.post("/api/v1/lineage/batch", json=[{}]).status_code == 400
    rows = client.get("/api/v1/rejected").json()["rejected"]
    assert {(row["reason"], row["seen"]) for row in rows} == {
        ("run.runId must be a UUID", 2),
        ("eventTime must be text, not empty", 1),
        ("eventTime is missing", 1),
    }
    with psycopg.connect(database) as connection:
        kept = connection.execute("SELECT body FROM rejected WHERE reason LIKE 'run%'").fetchone()
    assert kept is not None
    assert json.loads(kept[0])["run"] == {"runId": "seven"}


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}])
def test_without_the_token_nothing_is_taken_or_told(service: Any, database: str, header: dict[str, str]) -> None:
    with httpx.Client(base_url=service.url, headers=header, trust_env=False) as stranger:
        assert stranger.post("/api/v1/lineage", json=an_event()).status_code == 401
        assert stranger.post("/api/v1/lineage/batch", json=[an_event()]).status_code == 401
        assert stranger.post("/api/v1/lineage", content=b"nonsense").status_code == 401
        for path in ("runs", "jobs", "datasets", "events", "rejected", "events/1"):
            assert stranger.get(f"/api/v1/{path}").status_code == 401
        assert stranger.get("/health").json() == {"status": "ok"}
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM rejected").fetchone() == (0,)


def test_bodies_that_are_too_large_or_not_what_they_say_are_refused(client: httpx.Client) -> None:
    bomb = gzip.compress(b" " * 64 * 1024 * 1024)
    assert len(bomb) < 100_000
    gzipped = {"Content-Encoding": "gzip"}
    assert client.post("/api/v1/lineage", content=bomb, headers=gzipped).status_code == 413
    assert client.post("/api/v1/lineage", content=b"x" * (17 * 1024 * 1024)).status_code == 413
    assert client.post("/api/v1/lineage", content=b"{}", headers=gzipped).status_code == 400
    cut = gzip.compress(json.dumps(an_event()).encode())[:-12]
    assert client.post("/api/v1/lineage", content=cut, headers=gzipped).json() == {
        "error": "the gzip body ends too early"
    }
    assert client.post("/api/v1/lineage", content=b"{}", headers={"Content-Encoding": "br"}).status_code == 415
    assert client.get("/api/v1/lineage").status_code == 405
    assert client.get("/api/v1/runs?limit=0").status_code == 400
    assert client.get("/api/v1/runs?colour=red").status_code == 400
    assert client.get("/api/v1/runs?run=seven").status_code == 400
    assert client.get("/api/v1/runs?since=yesterdayish").status_code == 400


def test_what_postgresql_cannot_hold_is_accepted_all_the_same(client: httpx.Client) -> None:
    odd = an_event(job={"namespace": "l\x00n", "name": "n\ud800é" + "x" * 5000})
    body = json.dumps(odd)
    assert client.post("/api/v1/lineage", content=body).status_code == 201
    (row,) = client.get("/api/v1/events").json()["events"]
    assert row["job_namespace"] == "l\ufffdn"
    assert client.get(f"/api/v1/events/{row['event_id']}").text == body
    eventually(client, "/api/v1/jobs", lambda rows: len(rows) == 1)


def test_runs_jobs_and_datasets_follow_in_any_order_of_events(client: httpx.Client) -> None:
    parent = {"run": {"runId": str(uuid.uuid4())}, "job": {"namespace": "lakehold", "name": "flights_daily"}}
    run = {"runId": str(uuid.uuid4()), "facets": {"parent": parent}}
    complete = an_event(run=run, eventType="COMPLETE", eventTime="2013-01-01T05:01:30.25Z", inputs=[])
    start = an_event(run=run, outputs=[])
    running = an_event(run=run, eventType="RUNNING", eventTime="2013-01-01T05:00:10Z")
    for event in (complete, start, running):
        assert client.post("/api/v1/lineage", json=event).status_code == 201
    (found,) = eventually(client, "/api/v1/runs", lambda rows: rows and rows[0]["events"] == 3)
    assert found["state"] == "COMPLETE"
    assert found["started_at"] == "2013-01-01T05:00:00.000000Z"
    assert found["ended_at"] == "2013-01-01T05:01:30.250000Z"
    assert found["parent_job_name"] == "flights_daily"
    assert found["inputs"] == [{"namespace": "s3://landing", "name": "flights/2013-01-01.csv"}]
    assert found["outputs"] == [{"namespace": "lakehouse", "name": "bronze.flights"}]
    (job,) = client.get("/api/v1/jobs").json()["jobs"]
    assert (job["name"], job["runs"], job["state"]) == ("flights_daily.bronze", 1, "COMPLETE")
    names = {
        row["name"]: (row["written_by_runs"], row["read_by_runs"])
        for row in client.get("/api/v1/datasets").json()["datasets"]
    }
    assert names == {"bronze.flights": (1, 0), "flights/2013-01-01.csv": (0, 1)}
    assert client.get("/api/v1/runs?state=fail").json() == {"runs": []}
    assert len(client.get("/api/v1/runs?dataset=bronze&job=flights&since=2013-01-01").json()["runs"]) == 1


def test_a_job_event_and_a_dataset_event_need_no_run(client: httpx.Client) -> None:
    common = {"eventTime": "2013-01-01T05:00:00Z", "producer": "urn:test", "schemaURL": "urn:schema"}
    dataset = {**common, "dataset": {"namespace": "lakehouse", "name": "silver.flights"}}
    job = {**common, "job": {"namespace": "lakehold", "name": "by_hand"}}
    assert client.post("/api/v1/lineage/batch", json=[dataset, job]).status_code == 201
    eventually(client, "/api/v1/datasets", lambda rows: [row["name"] for row in rows] == ["silver.flights"])
    assert [row["name"] for row in client.get("/api/v1/jobs").json()["jobs"]] == ["by_hand"]
    assert client.get("/api/v1/runs").json() == {"runs": []}


def test_the_graph_can_be_made_again_from_the_journal(client: httpx.Client, database: str) -> None:
    run = {"runId": str(uuid.uuid4())}
    start, fail = an_event(run=run), an_event(run=run, eventType="FAIL", eventTime="2013-01-01T05:00:09Z")
    assert client.post("/api/v1/lineage/batch", json=[start, fail]).status_code == 201
    before = eventually(client, "/api/v1/runs", lambda rows: rows and rows[0]["state"] == "FAIL")
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE run_dataset, run, dataset, job CASCADE")
        connection.execute("UPDATE stage SET position = 0")
    assert client.post("/api/v1/lineage", json=start).status_code == 201
    assert eventually(client, "/api/v1/runs", lambda rows: rows and rows[0]["events"] == 2) == before


def test_a_database_that_refuses_costs_the_sender_only_a_retry(client: httpx.Client, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE event RENAME TO elsewhere")
        connection.execute("ALTER TABLE rejected RENAME TO aside")
        for _ in range(2):
            assert client.post("/api/v1/lineage", json=an_event()).status_code == 503
        connection.execute("ALTER TABLE elsewhere RENAME TO event")
        connection.execute("ALTER TABLE aside RENAME TO rejected")
    assert client.post("/api/v1/lineage", json=an_event()).status_code == 201
    graph = {"graph", "graph2"}
    eventually(client, "/api/v1/stages", lambda rows: {row["behind"] for row in rows if row["name"] in graph} == {0})


def test_what_the_database_refuses_is_kept_aside_and_spares_its_neighbours(client: httpx.Client, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE event ADD CHECK (job_name <> 'refused')")
    refused = an_event(job={"namespace": "lakehold", "name": "refused"})
    answer = client.post("/api/v1/lineage/batch", json=[an_event(), refused, an_event()])
    assert (answer.status_code, answer.json()["accepted"]) == (207, 2)
    assert answer.json()["rejected"][0]["index"] == 1
    assert client.post("/api/v1/lineage", json=refused).status_code == 400
    (row,) = client.get("/api/v1/rejected").json()["rejected"]
    assert row["seen"] == 2
    assert row["reason"].startswith("PostgreSQL refused it: new row")
    assert len(client.get("/api/v1/events").json()["events"]) == 2
