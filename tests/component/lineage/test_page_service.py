"""What the service gives the lineage page: its files, its login, and the answers it is made of."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flights_graph import ROUTES_SINCE, fill, thousands
from lakehold.lineage.explore.session import login_code
from made_graph import MadeGraph

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def durable() -> bool:
    return False


@pytest.fixture
def anybody(standing: Any) -> Iterator[httpx.Client]:
    """A browser that has not logged in."""
    with httpx.Client(base_url=standing.url, trust_env=False) as client:
        yield client


@pytest.fixture
def visitor(standing: Any, anybody: httpx.Client) -> httpx.Client:
    """A browser that has."""
    code = login_code(standing.environment()["LAKEHOLD_LINEAGE_TOKEN"])
    answer = anybody.post("/api/v1/session", json={"code": code})
    assert answer.status_code == 201
    anybody.headers["Authorization"] = f"Bearer {answer.json()['session']}"
    return anybody


@pytest.fixture
def made(standing: Any) -> Iterator[MadeGraph]:
    graph = MadeGraph(standing.database)
    graph.empty()
    fill(graph)
    with graph.connection:
        yield graph


def get(client: httpx.Client, path: str, **asked: str | int) -> Any:
    answer = client.get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def titles(nodes: list[dict[str, Any]]) -> list[str]:
    return [node["title"] for node in nodes]


def test_the_page_is_for_anybody_and_takes_nothing_from_elsewhere(anybody: httpx.Client) -> None:
    page = anybody.get("/")
    assert page.status_code == 200
    assert "not OpenMetadata" in page.text
    assert "://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_no_answer_is_kept_or_taken_for_what_it_is_not(standing: Any, visitor: httpx.Client) -> None:
    with standing.client() as client:
        begun = client.post("/api/v1/session")
    for answer in (visitor.get("/api/v1/runs"), visitor.get("/api/v1/nothing"), visitor.get("/health"), begun):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    file = visitor.get("/page/main.js")
    assert (file.headers["cache-control"], file.headers["x-content-type-options"]) == ("no-cache", "nosniff")


def test_who_logs_out_is_out(visitor: httpx.Client) -> None:
    assert visitor.get("/api/v1/runs").status_code == 200
    assert visitor.delete("/api/v1/session").status_code == 204
    assert visitor.get("/api/v1/runs").status_code == 401
    assert visitor.delete("/api/v1/session").status_code == 401


def test_files_are_sent_again_only_when_they_changed(anybody: httpx.Client) -> None:
    first = anybody.get("/page/main.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["content-encoding"] == "gzip"
    again = anybody.get("/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["page.py", "..%2Fpage.py", "%2e%2e/page.py", "nothing.js", "__init__.py"])
def test_only_the_pages_files_are_given(anybody: httpx.Client, name: str) -> None:
    assert anybody.get(f"/page/{name}").status_code == 404


@pytest.mark.parametrize("path", ["tables", "processes", "process?id=1", "overview", "graph?of=a.b", "runs"])
def test_what_it_shows_is_not_for_anybody(anybody: httpx.Client, path: str) -> None:
    assert anybody.get(f"/api/v1/{path}").status_code == 401


def test_a_visitor_may_ask_and_not_send(visitor: httpx.Client) -> None:
    assert visitor.get("/api/v1/runs").status_code == 200
    assert visitor.post("/api/v1/lineage", json={}).status_code == 401
    assert visitor.post("/api/v1/session", json={}).status_code == 400
    assert visitor.post("/api/v1/session", json={"code": visitor.headers["Authorization"][7:]}).status_code == 401


def test_a_link_works_once(standing: Any, anybody: httpx.Client) -> None:
    code = login_code(standing.environment()["LAKEHOLD_LINEAGE_TOKEN"])
    assert anybody.post("/api/v1/session", json={"code": code}).status_code == 201
    again = anybody.post("/api/v1/session", json={"code": code})
    assert again.status_code == 401
    assert "lakehold lineage page" in again.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'"code"', b"\xff", b'{"code": "\\ud800"}', b'{"code": null}'])
def test_what_is_no_code_is_refused(anybody: httpx.Client, body: bytes) -> None:
    assert anybody.post("/api/v1/session", content=body).status_code in {400, 401}
    assert anybody.post("/api/v1/session", content=body * 10_000).status_code in {400, 401, 413}


def test_the_token_itself_begins_a_session(standing: Any) -> None:
    with standing.client() as client:
        assert client.post("/api/v1/session").status_code == 201


def test_every_table_is_listed_with_how_its_checks_went(visitor: httpx.Client, made: MadeGraph) -> None:
    answer = get(visitor, "tables")
    checks = {row["title"]: (row["passed"], row["failed"]) for row in answer["tables"]}
    assert len(checks) == 10
    assert checks["bronze.flights"] == (3, 0)
    assert checks["bronze.weather"] == (0, 1)
    assert checks["s3://landing/flights"] == (0, 0)
    made.connection.execute('UPDATE assertion_result SET details = \'{"severity": "warn"}\' WHERE NOT success')
    weather = next(row for row in get(visitor, "tables")["tables"] if row["title"] == "bronze.weather")
    assert (weather["failed"], weather["warned"]) == (0, 1)
    assert titles(get(visitor, "tables", name="DELAYS")["tables"]) == ["gold.delays"]
    assert get(visitor, "tables", limit=3)["truncated"]
    assert get(visitor, "tables", at="2020-01-01")["tables"] == []


def test_a_later_result_of_a_check_is_the_one_that_counts(visitor: httpx.Client, made: MadeGraph) -> None:
    later = made.run("gate of 2013-01-02", "flights_daily.bronze.gate")
    made.result(later, "bronze.weather", "visib", "expect_column_values_to_be_between", success=True)
    made.connection.execute("UPDATE assertion_result SET at = at + interval '1 day' WHERE run_id = %s", (later,))
    weather = next(row for row in get(visitor, "tables")["tables"] if row["title"] == "bronze.weather")
    assert (weather["passed"], weather["failed"]) == (1, 0)


@pytest.mark.usefixtures("made")
def test_a_process_says_what_it_reads_and_writes(visitor: httpx.Client) -> None:
    listed = get(visitor, "processes", name="dbt:d")["processes"]
    assert [(row["name"], row["state"]) for row in listed] == [("dbt:delays", "COMPLETE")]
    process = get(visitor, "process", id=listed[0]["id"])
    assert (titles(process["reads"]), titles(process["writes"])) == (["gold.stg_flights"], ["gold.delays"])
    assert [run["state"] for run in process["runs"]] == ["COMPLETE"]
    assert "avg(arr_delay)" in process["statements"][0]["sql"]
    assert visitor.get("/api/v1/process?id=999999").status_code == 404
    assert visitor.get("/api/v1/process").status_code == 400


@pytest.mark.usefixtures("made")
def test_the_whole_graph_at_any_time(visitor: httpx.Client) -> None:
    now = get(visitor, "overview")
    before = get(visitor, "overview", at=(ROUTES_SINCE.date()).isoformat() + "T00:00:00Z")
    earlier = get(visitor, "overview", at="2026-01-02")
    assert set(titles(now["nodes"])) - set(titles(earlier["nodes"])) == {"gold.routes"}
    assert len(before["edges"]) == len(now["edges"])
    assert {edge["how"] for edge in now["edges"]} == {""}
    assert not now["truncated"]
    assert get(visitor, "overview", limit=2)["truncated"]


def test_thousands_of_tables_are_listed_and_drawn_from_one_answer(standing: Any, visitor: httpx.Client) -> None:
    MadeGraph(standing.database).empty()
    thousands(standing.database, 3000)
    assert len(get(visitor, "tables", limit=10_000)["tables"]) == 3000
    whole = get(visitor, "overview", limit=10_000)
    assert len(whole["nodes"]) == 3000
    assert not whole["truncated"]
