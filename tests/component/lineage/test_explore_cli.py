"""`lakehold lineage show|impact|diff|assert` against the service, on a small graph."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from lakehold.cli.context import Context
from lakehold.cli.lineage import lineage
from lakehold.errors import DataError, DifferenceError
from lakehold.lineage.client import UnknownNameError
from made_graph import BEGIN, CATALOG, MadeGraph, column

pytestmark = pytest.mark.component

GOLDEN = """\
# Mean delays are of arrivals, one row an origin.
tables: [gold.delays]
edges:
  - silver.flights.origin -> gold.delays.origin IDENTITY
  - silver.flights.arr_delay -> gold.delays.mean_delay AGGREGATION
  - silver.flights.origin -> gold.delays GROUP_BY
"""


@pytest.fixture(scope="module")
def durable() -> bool:
    return False


@pytest.fixture
def made(standing: Any) -> Iterator[MadeGraph]:
    graph = MadeGraph(standing.database)
    graph.empty()
    graph.edges(
        "flights_daily.land",
        [
            "s3://landing/flights#origin -> bronze.flights.origin IDENTITY",
            "s3://landing/flights#arr_delay -> bronze.flights.arr_delay TRANSFORMATION",
        ],
    )
    graph.edges(
        "flights_daily.join",
        [
            "bronze.flights.origin -> silver.flights.origin IDENTITY",
            "bronze.flights.arr_delay -> silver.flights.arr_delay IDENTITY",
            "bronze.flights.origin -> silver.flights JOIN",
        ],
    )
    graph.edges("dbt:delays", [line[4:] for line in GOLDEN.splitlines() if "->" in line])
    with graph.connection:
        yield graph


@pytest.fixture
def run(standing: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a verb of `lakehold lineage` in an installation whose service is the test's."""
    token = standing.environment()["LAKEHOLD_LINEAGE_TOKEN"]
    site = SimpleNamespace(
        host="127.0.0.1",
        ports={"lineage": standing.port},
        secrets={"lineage.token": token},
        settings=SimpleNamespace(catalog=SimpleNamespace(name=CATALOG)),
    )
    monkeypatch.setattr(Context, "existing_site", lambda _: site)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(lineage, words)

    return invoke


def printed(result: Result) -> str:
    assert result.exception is None, result.exception
    return result.output


@pytest.mark.usefixtures("made")
def test_show_a_column_up_to_its_file(run: Callable[..., Result]) -> None:
    said = printed(run("show", "gold.delays.mean_delay", "--up", "--depth", "5"))
    assert said.splitlines() == [
        "gold.delays.mean_delay comes from",
        "├── silver.flights.arr_delay  AGGREGATION  by dbt:delays",
        "│   └── bronze.flights.arr_delay  IDENTITY  by flights_daily.join",
        "│       └── s3://landing/flights#arr_delay  TRANSFORMATION  by flights_daily.land",
        "└── and its rows are decided by",
        "    └── silver.flights.origin  GROUP_BY  by dbt:delays",
    ]


@pytest.mark.usefixtures("made")
def test_show_a_table_both_ways(run: Callable[..., Result]) -> None:
    assert printed(run("show", "silver.flights")).splitlines() == [
        "silver.flights comes from",
        "└── bronze.flights  arr_delay, origin  by flights_daily.join",
        "    └── s3://landing/flights  arr_delay, origin  by flights_daily.land",
        "silver.flights goes into",
        "└── gold.delays  mean_delay, origin  by dbt:delays",
    ]


@pytest.mark.usefixtures("made")
def test_show_says_how_many_tables_it_left_out(made: MadeGraph, run: Callable[..., Result]) -> None:
    for number in range(30):
        made.edges(f"dbt:m{number:02}", [f"silver.flights.origin -> gold.m{number:02}.origin IDENTITY"])
    said = printed(run("show", "silver.flights.origin", "--down", "--values")).splitlines()
    # 30 and gold.delays; those that were seen first are shown.
    assert [line[4:] for line in said if "more tables" in line] == ["and 6 more tables"]
    assert sum("by dbt:" in line for line in said) == 25
    assert "more table" not in printed(run("show", "silver.flights.origin", "--down", "--values", "--fan", "0"))
    assert len(json.loads(printed(run("show", "silver.flights.origin", "--down", "--values", "--json")))["edges"]) == 31
    assert len(printed(run("show", "silver.flights.origin", "--down", "--values", "--lines")).splitlines()) == 31


def test_show_as_lines_is_what_assert_reads(run: Callable[..., Result], tmp_path: Path) -> None:
    lines = printed(run("show", "gold.delays", "--up", "--depth", "1", "--lines")).splitlines()
    file = tmp_path / "golden.yml"
    file.write_text("edges:\n" + "".join(f"  - {line}\n" for line in lines))
    assert "ok  gold.delays: 4 edges" in printed(run("assert", str(file)))


@pytest.mark.usefixtures("made")
def test_show_as_json_is_the_service_s_answer(run: Callable[..., Result]) -> None:
    answer = json.loads(printed(run("show", "gold.delays.origin", "--up", "--json", "--values")))
    assert {node["title"] for node in answer["nodes"]} == {
        "gold.delays",
        "silver.flights",
        "bronze.flights",
        "s3://landing/flights",
    }


@pytest.mark.usefixtures("made")
def test_what_nothing_is_known_of(run: Callable[..., Result]) -> None:
    assert "nothing that is known" in printed(run("show", "s3://landing/flights", "--up"))
    assert printed(run("impact", "gold.delays")) == "Nothing is known to come from gold.delays.\n"
    problem = run("show", "gold.delay").exception
    assert isinstance(problem, UnknownNameError)
    assert problem.what == "the graph has no table 'gold.delay'; did you mean gold.delays?"


def test_a_circle_is_shown_once(made: MadeGraph, run: Callable[..., Result]) -> None:
    made.edges("user:ann", ["gold.delays.mean_delay -> bronze.flights.arr_delay IDENTITY"])
    said = printed(run("show", "bronze.flights.arr_delay", "--down", "--depth", "20", "--values"))
    assert said.splitlines() == [
        "bronze.flights.arr_delay goes into",
        "└── silver.flights.arr_delay  IDENTITY  by flights_daily.join",
        "    └── gold.delays.mean_delay  AGGREGATION  by dbt:delays",
        "        └── bronze.flights.arr_delay  IDENTITY  by user:ann  (shown elsewhere)",
    ]


def test_impact_by_layer(made: MadeGraph, run: Callable[..., Result]) -> None:
    made.edges("jobs.score", ["gold.delays -> gold.scores"])
    made.field(column("gold.scores.score"))
    made.statement("jobs.score", "gold.scores", "", '{"score": "made by a Python function"}')
    assert "nobody knows what score is made from: made by a Python function" in printed(
        run("show", "gold.scores.score")
    )
    said = printed(run("impact", "bronze.flights.origin"))
    assert said.splitlines()[0] == "bronze.flights.origin: 3 columns of 3 tables downstream, by 3 processes"
    assert "silver: 1 column of 1 table" in said
    assert "gold: 2 columns of 2 tables" in said
    assert "score?" in said
    assert "decided by it" in said
    assert printed(run("impact", "bronze.flights.origin", "--by", "owner")).count("no owner named") == 1


def test_impact_of_a_table(made: MadeGraph, run: Callable[..., Result]) -> None:
    made.edges("jobs.count", ["gold.delays -> gold.counts"])
    lines = [" ".join(line.split()) for line in printed(run("impact", "silver.flights")).splitlines()]
    assert lines[0] == "silver.flights: 2 columns of 2 tables downstream, by 2 processes"
    assert lines[4:] == ["gold.delays mean_delay, origin dbt:delays", "gold.counts as a whole jobs.count"]


def test_diff(made: MadeGraph, run: Callable[..., Result]) -> None:
    month = BEGIN + timedelta(days=31)
    made.edges("dbt:late", ["silver.flights.dep_delay -> gold.delays.mean_delay AGGREGATION"], since=month)
    made.connection.execute("UPDATE edge SET ended_at = %s WHERE how = 'GROUP_BY'", (month,))
    assert printed(run("diff", "--from", "2026-01-15", "--to", "2026-02-15")).splitlines() == [
        "- silver.flights.origin -> gold.delays GROUP_BY  by dbt:delays",
        "+ silver.flights.dep_delay -> gold.delays.mean_delay AGGREGATION  by dbt:late",
        "1 came, 1 went.",
    ]
    assert printed(run("diff", "bronze.flights", "--from", "2026-01-15")) == "0 came, 0 went.\n"


def test_assert_says_what_differs_and_fails(made: MadeGraph, run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "delays.yml"
    file.write_text(GOLDEN)
    assert printed(run("assert", str(file))) == f"ok  gold.delays: 4 edges as {file} has them\n"
    made.connection.execute("UPDATE edge SET ended_at = now() WHERE how = 'GROUP_BY'")
    made.edges("user:ann", ["silver.planes.seats -> gold.delays.seats TRANSFORMATION"])
    result = run("assert", str(file))
    assert result.output.splitlines() == [
        f"gold.delays differs from {file}:",
        "  - silver.flights.origin -> gold.delays GROUP_BY",
        "  + silver.planes.seats -> gold.delays.seats TRANSFORMATION  by user:ann",
    ]
    assert isinstance(result.exception, DifferenceError)
    assert result.exception.exit_code == 10
    assert result.exception.what == f"the lineage differs from {file} in 2 edges."
    # As it was before: what had been asserted then.
    made.connection.execute("UPDATE edge SET ended_at = '2026-06-01' WHERE how = 'GROUP_BY'")
    made.connection.execute(
        "UPDATE edge SET first_seen = '2026-06-01' WHERE process_id = %s", (made.process("user:ann"),)
    )
    assert "ok  gold.delays" in printed(run("assert", str(file), "--at", "2026-05-01"))


@pytest.mark.usefixtures("made")
def test_assert_of_a_table_that_is_not_there(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "nothing.yml"
    file.write_text("edges: ['silver.flights.origin -> gold.nothing.origin IDENTITY']")
    result = run("assert", str(file))
    assert result.output.splitlines()[1:] == ["  - silver.flights.origin -> gold.nothing.origin IDENTITY"]
    assert isinstance(result.exception, DifferenceError)


@pytest.mark.usefixtures("made")
def test_assert_of_a_file_that_is_not_there(run: Callable[..., Result], tmp_path: Path) -> None:
    assert isinstance(run("assert", str(tmp_path / "none.yml")).exception, DataError)
