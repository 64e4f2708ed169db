"""What is no event does not harm the service: it answers, keeps it aside, and goes on."""

import random
import time
from typing import Any

import httpx
import malformed
import psycopg
import pytest

pytestmark = pytest.mark.component


def test_thousands_of_malformed_bodies(service: Any, client: httpx.Client, database: str) -> None:
    choose = random.Random(7)  # noqa: S311 - the same bodies each time
    answers: dict[int, int] = {}
    kept: set[bytes] = set()
    paths = {"lineage": malformed.openlineage, "trino": malformed.trino, "lineage/batch": malformed.batch}
    for number in range(600):
        path, make = list(paths.items())[number % 3]
        body = make(choose)
        answer = client.post(f"/api/v1/{path}", content=body)
        answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
        if answer.status_code == 400 and path == "lineage":
            assert answer.json()["error"]
            kept.add(body)
    assert set(answers) <= {201, 204, 207, 400}, answers
    assert answers[400] > 200
    with psycopg.connect(database) as connection:
        aside = {row[0] for row in connection.execute("SELECT body FROM rejected WHERE reason <> ''")}
    assert kept <= aside
    assert service.process.poll() is None
    assert client.get("/health").status_code == 200
    deadline = time.monotonic() + 60
    while any(stage["behind"] or stage["due"] for stage in client.get("/api/v1/stages").json()["stages"]):
        assert time.monotonic() < deadline, "the graph does not get over them"
        time.sleep(0.1)


def test_what_trino_says_of_a_query_becomes_a_run(client: httpx.Client) -> None:
    """The events of a real Trino are those of ``tests/component/trino``; this one is made by hand."""
    event = {
        "createTime": "2026-11-21T15:09:21.200Z",
        "context": {"user": "engineer", "clientTags": [], "queryType": "INSERT"},
        "metadata": {"queryId": "20261121_150536_00001_rjktj", "query": "INSERT INTO t SELECT 1"},
    }
    assert client.post("/api/v1/trino?namespace=here", json=event).status_code == 201
    (row,) = client.get("/api/v1/events").json()["events"]
    assert (row["job_namespace"], row["job_name"]) == ("here", "20261121_150536_00001_rjktj")
    event["context"]["queryType"] = "SELECT"
    assert client.post("/api/v1/trino", json=event).status_code == 204
    assert len(client.get("/api/v1/events").json()["events"]) == 1
    assert client.post("/api/v1/trino", json=event, headers={"Authorization": "Bearer x"}).status_code == 401
