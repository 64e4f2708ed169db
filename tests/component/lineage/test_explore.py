"""The routes that ask the graph, on a PostgreSQL filled with a small graph."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from lakehold.lineage.answer import AnswerError
from lakehold.lineage.explore.apart import Asking
from lakehold.lineage.explore.api import QUESTIONS
from made_graph import BEGIN, MadeGraph, column
from psycopg import AsyncConnection

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
# From the month after on, the mean is of another column.
MONTH = BEGIN + timedelta(days=31)
LATER = ["silver.flights.dep_delay -> gold.delays.mean_delay AGGREGATION"]


@pytest.fixture(scope="module")
def durable() -> bool:
    return False


@pytest.fixture
def client(standing: Any) -> Iterator[httpx.Client]:
    with standing.client() as opened:
        yield opened


@pytest.fixture
def made(standing: Any) -> Iterator[MadeGraph]:
    graph = MadeGraph(standing.database)
    graph.empty()
    graph.edges("flights_daily.land", LANDED)
    graph.edges("flights_daily.join", JOINED)
    graph.edges("dbt:delays", DELAYS)
    with graph.connection:
        yield graph


def get(client: httpx.Client, path: str, **asked: str | int) -> Any:
    answer = client.get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(client: httpx.Client, status: int, path: str, **asked: str | int) -> str:
    answer = client.get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"])


def lines(answer: Any, key: str = "edges") -> list[str]:
    """The edges as a person writes them."""
    titles = {node["id"]: node["title"] for node in answer["nodes"]}
    fields = {field["id"]: field["name"] for node in answer["nodes"] for field in node["fields"]}

    def end(side: Any) -> str:
        title, name = titles[side["node"]], fields[side["field"]]
        return title if not name else f"{title}{'#' if '/' in title else '.'}{name}"

    return sorted(f"{end(edge['source'])} -> {end(edge['target'])} {edge['how']}".rstrip() for edge in answer[key])


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
    assert {process["name"] for process in answer["processes"]} == {
        "dbt:delays",
        "flights_daily.join",
        "flights_daily.land",
    }
    assert answer["truncated"] is False


def test_what_decides_about_the_rows_of_a_column_counts_at_the_first_step(client: httpx.Client) -> None:
    assert lines(get(client, "graph", of="gold.delays.mean_delay", direction="up", depth=1)) == [
        "silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION",
        "silver.flights.origin -> gold.delays GROUP_BY",
    ]


def test_a_table_both_ways_by_its_tables(client: httpx.Client) -> None:
    answer = get(client, "graph", of="silver.flights", edges="tables", depth=1)
    assert lines(answer) == [
        "bronze.airports -> silver.flights",
        "bronze.flights -> silver.flights",
        "silver.flights -> gold.delays",
    ]
    assert {node["title"]: node["distance"] for node in answer["nodes"]}["gold.delays"] == 1


def test_depth_counts_steps(client: httpx.Client) -> None:
    reached = [
        {node["title"] for node in get(client, "graph", of="gold.delays", direction="up", depth=depth)["nodes"]}
        for depth in (1, 2, 3)
    ]
    assert reached[0] == {"gold.delays", "silver.flights"}
    assert reached[1] == reached[0] | {"bronze.flights", "bronze.airports"}
    assert reached[2] == reached[1] | {"s3://landing/flights"}


def test_a_circle_ends(made: MadeGraph, client: httpx.Client) -> None:
    made.edges("user:ann", ["gold.delays.mean_delay -> bronze.flights.arr_delay IDENTITY"])
    answer = get(client, "graph", of="gold.delays.mean_delay", edges="direct", depth=20)
    assert len(answer["edges"]) == 4
    assert get(client, "impact", of="gold.delays.mean_delay")["columns"] == 2


def test_an_answer_is_bounded_and_says_so(client: httpx.Client) -> None:
    answer = get(client, "graph", of="silver.flights", direction="up", limit=2)
    assert (len(answer["edges"]), answer["truncated"]) == (2, True)
    # Every end of an edge that is shown is shown.
    shown = {field["id"] for node in answer["nodes"] for field in node["fields"]}
    assert {edge[side]["field"] for edge in answer["edges"] for side in ("source", "target")} <= shown


def hub(made: MadeGraph) -> None:
    """Have five tables made of two columns of one, which also feeds itself, and a sixth made of one of the five."""
    for number in range(5):
        made.edges(
            f"dbt:mart{number}",
            [f"silver.hub.{name} -> gold.mart{number}.{name} IDENTITY" for name in ("a", "b")],
        )
    made.edges("flights_daily.hub", ["silver.hub.a -> silver.hub.b TRANSFORMATION"])
    made.edges("dbt:last", ["gold.mart0.a -> gold.last.a IDENTITY"])


def beside(answer: Any) -> list[tuple[str, str | None, str, int]]:
    """Say where tables were left out, and how many."""
    titles = {node["id"]: node["title"] for node in answer["nodes"]}
    fields = {field["id"]: field["name"] for node in answer["nodes"] for field in node["fields"]}
    return [(titles[one["node"]], fields.get(one["field"]), one["direction"], one["tables"]) for one in answer["more"]]


def test_a_table_with_very_many_beside_it_is_shown_with_some_and_counts_the_others(
    made: MadeGraph, client: httpx.Client
) -> None:
    hub(made)
    answer = get(client, "graph", of="silver.hub", direction="down", fan=2, depth=3)
    assert lines(answer) == sorted(
        [
            *(f"silver.hub.{name} -> gold.mart{number}.{name} IDENTITY" for name in ("a", "b") for number in (0, 1)),
            *(f"silver.hub -> gold.mart{number}" for number in (0, 1)),
            "silver.hub.a -> silver.hub.b TRANSFORMATION",
            "silver.hub -> silver.hub",
            "gold.mart0.a -> gold.last.a IDENTITY",
            "gold.mart0 -> gold.last",
        ]
    )
    assert beside(answer) == [("silver.hub", None, "down", 3)]
    assert answer["truncated"] is False
    whole = get(client, "graph", of="silver.hub", direction="down")
    assert whole["more"] == []
    assert len({edge["target"]["node"] for edge in whole["edges"]}) == 7


def test_a_column_with_very_many_beside_it_counts_its_own_tables(made: MadeGraph, client: httpx.Client) -> None:
    hub(made)
    made.edges("dbt:other", ["silver.hub.a -> gold.other.a IDENTITY"])
    answer = get(client, "graph", of="silver.hub.a", direction="down", fan=4, depth=2, edges="direct")
    # Of b, which is made of a, all five but one; of a itself those and one more.
    assert beside(answer) == [("silver.hub", "a", "down", 2), ("silver.hub", "b", "down", 1)]
    assert beside(get(client, "graph", of="gold.mart4.b", fan=1, direction="up")) == []


def test_a_table_left_out_from_two_of_a_table_s_columns_counts_once(made: MadeGraph, client: httpx.Client) -> None:
    made.edges("dbt:hub", ["raw.one.a -> silver.late.a IDENTITY", "silver.late.a -> silver.late.b TRANSFORMATION"])
    for number in range(3):
        made.edges(f"dbt:m{number}", [f"silver.late.{name} -> gold.m{number}.{name} IDENTITY" for name in ("a", "b")])
    # The columns of silver.late are come by one after the other, and lead to the same tables.
    answer = get(client, "graph", of="raw.one", direction="down", fan=1, edges="direct", depth=4)
    assert beside(answer) == [("silver.late", None, "down", 2)]


def test_the_graph_of_a_day(made: MadeGraph, client: httpx.Client) -> None:
    made.edges("dbt:late", LATER, since=MONTH)
    asked: dict[str, str | int] = {"of": "gold.delays.mean_delay", "direction": "up", "depth": 1, "edges": "direct"}
    before = lines(get(client, "graph", at="2026-01-15", **asked))
    assert before == ["silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION"]
    assert lines(get(client, "graph", at="2026-02-01T00:00:00+00:00", **asked)) == sorted([*before, *LATER])
    assert lines(get(client, "graph", at="2025-12-31", **asked)) == []


def test_what_changed_between_two_days(made: MadeGraph, client: httpx.Client) -> None:
    made.edges("dbt:late", LATER, since=MONTH)
    everywhere: dict[str, str | int] = {}
    for asked in (everywhere, {"of": "gold.delays", "depth": 1}):
        answer = get(client, "changes", **{"from": "2026-01-15"}, to="2026-02-15", **asked)
        # By another process, so the tables' own edge came as well.
        assert lines(answer, "came") == ["silver.flights -> gold.delays", *LATER]
        assert lines(answer, "went") == []
    made.connection.execute("UPDATE edge SET ended_at = %s WHERE first_seen = %s", (MONTH + timedelta(days=30), MONTH))
    answer = get(client, "changes", **{"from": "2026-02-15"}, edges="direct")
    assert (lines(answer, "came"), lines(answer, "went")) == ([], LATER)
    # What ended and came again was there at both times.
    made.edges("dbt:late", LATER, since=MONTH + timedelta(days=40))
    assert lines(get(client, "changes", **{"from": "2026-02-15"}), "came") == []


def test_moments_are_when_something_changed(made: MadeGraph, client: httpx.Client) -> None:
    made.edges("dbt:late", LATER, since=MONTH, until=MONTH + timedelta(days=1))
    answer = get(client, "moments", of="gold.delays", direction="up", depth=1, edges="direct")
    assert answer["changes"] == [
        {"at": "2026-01-01T00:00:00.000000Z", "came": 2, "went": 0},
        {"at": "2026-02-01T00:00:00.000000Z", "came": 1, "went": 0},
        {"at": "2026-02-02T00:00:00.000000Z", "came": 0, "went": 1},
    ]
    assert answer["first"] == "2026-01-01T00:00:00.000000Z"


def test_impact_says_what_has_its_value_and_what_it_decides_about(client: httpx.Client) -> None:
    answer = get(client, "impact", of="bronze.flights.origin")
    said = [
        (table["title"], table["distance"], table["rows"], {one["name"]: one["by"] for one in table["columns"]})
        for table in answer["tables"]
    ]
    assert said == [
        ("silver.flights", 1, True, {"origin": "value"}),
        ("gold.delays", 2, True, {"origin": "value"}),
    ]
    assert [table["layer"] for table in answer["tables"]] == ["silver", "gold"]
    assert [process["name"] for process in answer["processes"]] == ["dbt:delays", "flights_daily.join"]


def test_impact_goes_on_where_nobody_knows(made: MadeGraph, client: httpx.Client) -> None:
    made.edges("jobs.score", ["gold.delays -> gold.scores", "gold.delays.origin -> gold.scores.origin IDENTITY"])
    made.edges("jobs.report", ["gold.scores.score -> gold.report.best AGGREGATION"])
    made.statement("jobs.score", "gold.scores", "", '{"score": "made by a Python function"}')
    tables = {table["title"]: table for table in get(client, "impact", of="bronze.flights.arr_delay")["tables"]}
    assert [(one["name"], one["by"], one["reason"]) for one in tables["gold.scores"]["columns"]] == [
        ("score", "perhaps", "made by a Python function")
    ]
    assert tables["gold.scores"]["sure"] is False
    assert [(one["name"], one["by"]) for one in tables["gold.report"]["columns"]] == [("best", "perhaps")]


def test_impact_knows_the_owner_of_a_task(made: MadeGraph, client: httpx.Client) -> None:
    run = made.run("join", "flights_daily.join")
    made.belongs(run, "flights_daily.join")
    facets = {"ownership": {"owners": [{"name": "data-team"}], "_producer": "https://x.invalid", "_schemaURL": "x"}}
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-01-01T00:00:00Z",
        "producer": "https://x.invalid",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": str(run)},
        "job": {"namespace": "test", "name": "flights_daily.join", "facets": facets},
    }
    assert client.post("/api/v1/lineage", json=event).status_code == 201
    processes = get(client, "impact", of="bronze.flights.origin")["processes"]
    assert {one["name"]: one["owners"] for one in processes}["flights_daily.join"] == ["data-team"]


def test_a_table_as_a_whole(made: MadeGraph, client: httpx.Client) -> None:
    run = made.statement("flights_daily.join", "silver.flights", "INSERT INTO silver.flights SELECT 1")
    made.result(run, "silver.flights", "arr_delay", "not_null", success=False)
    made.result(run, "silver.flights", "", "row_count", success=True)
    made.snapshot("silver.flights", 7_123_456_789_012_345_678)
    answer = get(client, "node", name="silver.flights")
    assert [field["name"] for field in answer["fields"]] == ["origin_name", "arr_delay", "origin"]
    assert [(one["name"], one["role"]) for one in answer["processes"]] == [
        ("flights_daily.join", "writes"),
        ("dbt:delays", "reads"),
    ]
    assert [(one["column"], one["name"], one["success"]) for one in answer["results"]] == [
        ("arr_delay", "not_null", False),
        ("", "row_count", True),
    ]
    # As text: JavaScript's numbers would lose its last digits.
    assert [one["id"] for one in answer["snapshots"]] == ["7123456789012345678"]
    assert answer["statement"]["sql"] == "INSERT INTO silver.flights SELECT 1"
    assert answer["truncated"] is False


def test_search_finds_tables_columns_and_processes(client: httpx.Client) -> None:
    found = [(one["kind"], one["title"]) for one in get(client, "search", q="delays")["results"]]
    assert found == [("table", "gold.delays"), ("process", "dbt:delays")]
    assert get(client, "search", q="flights ARR")["results"][0]["title"] in {
        "silver.flights.arr_delay",
        "bronze.flights.arr_delay",
    }
    assert [one["title"] for one in get(client, "search", q="s3 flights origin")["results"]] == [
        "s3://landing/flights#origin"
    ]
    assert get(client, "search", q="100%_[a")["results"] == []


@pytest.mark.parametrize(
    ("path", "asked", "status", "message"),
    [
        ("graph", {}, 400, "of is missing"),
        ("graph", {"of": "gold.delays", "depth": 0}, 400, "depth must be a number from 1 to 20"),
        ("graph", {"of": "gold.delays", "limit": 10_001}, 400, "limit must be a number from 1 to 10000"),
        ("graph", {"of": "gold.delays", "fan": 1001}, 400, "fan must be a number from 1 to 1000"),
        ("changes", {"of": "gold.delays", "from": "2026-01-01", "fan": 1}, 400, "fan is no parameter of this"),
        ("graph", {"of": "gold.delays", "direction": "left"}, 400, "direction must be one of up, down, both"),
        ("graph", {"of": "gold.delays", "edges": "some"}, 400, "edges must be one of all, direct, tables"),
        ("graph", {"of": "gold.delays", "at": "yesterday"}, 400, "at must be a date or a time such as 2013-01-31"),
        ("graph", {"of": "gold.delays", "colour": "red"}, 400, "colour is no parameter of this; it knows at, depth"),
        ("graph", {"of": "gold.delay"}, 404, "no table 'gold.delay'; did you mean gold.delays"),
        ("graph", {"of": "Gold.Delays"}, 404, "did you mean gold.delays"),
        ("graph", {"of": "silver.flights.arr_dealy"}, 404, "has no column 'arr_dealy'; did you mean arr_delay"),
        ("graph", {"of": "delays"}, 404, "no table 'delays'; did you mean gold.delays"),
        ("node", {"name": "s3://landing/flight"}, 404, "did you mean s3://landing/flights"),
        ("node", {"name": "x\0y"}, 400, "cannot contain NUL"),
        ("search", {"q": " "}, 400, "q is missing"),
        ("search", {"q": "a " * 9}, 400, "q must have from 1 to 8 words"),
        ("changes", {}, 400, "from is missing"),
        ("changes", {"from": "2026-01-02", "to": "2026-01-02"}, 400, "from must be before to"),
        ("impact", {"of": "nowhere.at_all"}, 404, "the graph has no table 'nowhere.at_all'"),
    ],
)
def test_what_means_nothing_is_refused(
    client: httpx.Client, path: str, asked: dict[str, str], status: int, message: str
) -> None:
    assert message in refused(client, status, path, **asked)


@pytest.mark.parametrize("path", ["graph", "node", "search", "impact", "changes", "moments"])
def test_questions_need_the_token(client: httpx.Client, path: str) -> None:
    assert httpx.get(f"{client.base_url}/api/v1/{path}", trust_env=False).status_code == 401


def test_a_table_says_which_of_its_columns_nobody_knows_the_sources_of(made: MadeGraph, client: httpx.Client) -> None:
    made.edges("jobs.score", ["gold.delays.origin -> gold.scores.origin IDENTITY"])
    made.field(column("gold.scores.score"))
    # What one statement of a run cannot say another may.
    for said in ('{"origin": "not said", "score": "made by a Python function"}', "{}"):
        made.belongs(made.statement("jobs.score", "gold.scores", said, said), "jobs.score")
    made.connection.execute("UPDATE run SET process_run = (SELECT min(run_id::text)::uuid FROM run)")
    assert get(client, "node", name="gold.scores")["unknown"] == {"score": "made by a Python function"}


@pytest.mark.parametrize("path", ["graph", "node", "search", "impact", "changes", "moments"])
def test_nothing_a_person_types_is_an_error_of_the_service(client: httpx.Client, path: str) -> None:
    nasty = ["'", '"; drop table node; --', "%", "_", "\\", "a\\", "\ud7ff", "é" * 3000, "/" * 3000, "a.b." * 900]
    nasty += [
        "#",
        "#a",
        "a#",
        "://",
        "[(*+?",
        "$1",
        "%(at)s",
        "{}",
        "\x01\x7f",
        "0" * 5000,
        "-1",
        "null",
        "silver.flights.'",
    ]
    must = {"graph": "of", "impact": "of", "moments": "of", "node": "name", "search": "q", "changes": "from"}[path]
    for name in {"at", "limit", must} & QUESTIONS[path][1]:
        for text in nasty:
            asked = {must: "2026-01-01" if path == "changes" else "gold.delays", name: text}
            assert client.get(f"/api/v1/{path}", params=asked).status_code in {200, 400, 404}, (name, text)


def test_many_questions_at_once_are_answered_in_turn(client: httpx.Client) -> None:
    client.timeout = httpx.Timeout(30)
    with ThreadPoolExecutor(12) as people:
        answers = list(people.map(lambda _: get(client, "impact", of="bronze.flights.origin"), range(36)))
    assert all(answer == answers[0] for answer in answers)


def test_without_postgresql_the_answer_is_a_reason(postgres: Any, client: httpx.Client) -> None:
    postgres.stop()
    try:
        assert "PostgreSQL cannot answer" in refused(client, 503, "graph", of="gold.delays")
    finally:
        postgres.start()
    get(client, "graph", of="gold.delays")


def test_a_connection_is_kept_until_it_is_lost(standing: Any) -> None:
    async def who(connection: AsyncConnection[Any]) -> dict[str, Any]:
        row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        return {"pid": row[0] if row else None}

    async def wrong(connection: AsyncConnection[Any]) -> dict[str, Any]:
        await connection.execute("SELECT 1 / 0")
        return {}

    async def there() -> bool:
        return False

    async def ask() -> None:
        asking = Asking(standing.database)
        first = await asking.answer(who, there)
        with pytest.raises(AnswerError):
            await asking.answer(wrong, there)
        assert await asking.answer(who, there) == first
        with psycopg.connect(standing.database) as connection:
            connection.execute("SELECT pg_terminate_backend(%s, 10000)", (json.loads(first)["pid"],))
        assert await asking.answer(who, there) != first
        asking.close()

    asyncio.run(ask())


def test_a_service_that_stops_waits_for_no_question(standing: Any) -> None:
    async def sleeper(connection: AsyncConnection[Any]) -> dict[str, Any]:
        await connection.execute("SELECT pg_sleep(14) AS long_question")
        return {}

    async def there() -> bool:
        return False

    async def stop() -> None:
        asking = Asking(standing.database)
        asked = asyncio.create_task(asking.answer(sleeper, there))
        running = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%long_question'"
        with psycopg.connect(standing.database, autocommit=True) as connection:
            while connection.execute(running).fetchone() != (1,):
                assert not asked.done()
                await asyncio.sleep(0.02)
        asking.close()
        with pytest.raises(AnswerError):
            await asked

    asyncio.run(stop())
