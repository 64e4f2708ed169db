"""The dbt project on a real Trino: its own tests, its marts, and who may read them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lakehold.cli.sql import connect
from trino.exceptions import TrinoUserError

pytestmark = [pytest.mark.component, pytest.mark.timeout(900)]

REPOSITORY = Path(__file__).resolve().parents[3]
PROJECT = REPOSITORY / "dbt_project"
MARTS = ("delays", "routes", "carrier_month", "aircraft_use", "weather_impact")
FLIGHTS = """
  (DATE '2013-01-01', 'UA', 1, 'N1', 'EWR', 'IAH', 20, 25, 200, 1400, false, 10e0, 0e0, 10e0),
  (DATE '2013-01-01', 'UA', 2, 'N1', 'EWR', 'IAH', 0, -5, 210, 1400, false, 10e0, 0e0, 10e0),
  (DATE '2013-01-01', 'AA', 3, NULL, 'JFK', 'MIA', NULL, NULL, NULL, 1089, true, 30e0, 0.5e0, 1e0),
  (DATE '2013-02-01', 'B6', 4, 'N2', 'LGA', 'BQN', 3, 9, 190, 1576, false, NULL, NULL, NULL)
"""
NAMES = "flight_date, carrier, flight, tailnum, origin, dest, dep_delay, arr_delay, air_time, distance, cancelled"
NAMES += ", wind_speed, precip, visib"

Dbt = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def warehouse(lab: Any) -> Iterator[Any]:
    """A site whose silver.flights has a few known rows; what was there before is put back."""
    lab.start("trino")
    with closing(connect(lab.site, "admin")) as connection:
        cursor = connection.cursor()
        had = cursor.execute("SHOW TABLES FROM silver LIKE 'flights'").fetchall()
        if had:
            cursor.execute("ALTER TABLE silver.flights RENAME TO silver.flights_before").fetchall()
        cursor.execute(
            f"CREATE TABLE silver.flights AS SELECT {NAMES}, carrier || ' Inc.' AS carrier_name, "
            "'name of ' || dest AS dest_name, 1e0 AS dest_lat, 2e0 AS dest_lon, 2000 AS plane_year, "
            "'BOEING' AS plane_manufacturer, '737' AS plane_model, 150 AS plane_seats "
            f"FROM (VALUES {FLIGHTS}) AS rows ({NAMES})"
        ).fetchall()
        yield lab.site
        cursor.execute("DROP TABLE silver.flights").fetchall()
        if had:
            cursor.execute("ALTER TABLE silver.flights_before RENAME TO silver.flights").fetchall()


@pytest.fixture(scope="module")
def dbt(warehouse: Any, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """Run dbt as its operator does."""
    folder = tmp_path_factory.mktemp("dbt")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                warehouse.pythons["dbt"].with_name("dbt"),
                "--no-use-colors",
                *arguments,
                *("--project-dir", PROJECT, "--profiles-dir", PROJECT),
                *("--target-path", folder / "target", "--log-path", folder / "logs"),
            ],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": os.environ.get("HOME", "/"),
                "LAKEHOLD_TRINO_HOST": warehouse.host,
                "LAKEHOLD_TRINO_PORT": str(warehouse.ports["trino"]),
                "LAKEHOLD_TRINO_CA": str(warehouse.tls / "ca.pem"),
                "LAKEHOLD_TRINO_CATALOG": "lakehouse",
                "LAKEHOLD_TRINO_PASSWORD": warehouse.secrets["trino.dbt"],
            },
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def built(dbt: Dbt, warehouse: Any) -> Any:
    """The site after a build."""
    result = dbt("build")
    assert result.returncode == 0, result.stdout
    assert re.search(r"PASS=\d+ WARN=0 ERROR=0", result.stdout)
    return warehouse


def query(site: Any, sql: str, user: str = "admin") -> list[list[Any]]:
    with closing(connect(site, user)) as connection:
        return connection.cursor().execute(sql).fetchall()  # type: ignore[no-any-return]  # trino has no types


def test_a_cancelled_flight_counts_and_is_not_averaged(built: Any) -> None:
    rows = query(built, "SELECT carrier, flights, cancelled, arr_delay, on_time_rate FROM gold.delays ORDER BY carrier")
    assert rows == [["AA", 1, 1, None, None], ["B6", 1, 0, 9.0, 1.0], ["UA", 2, 0, 10.0, 0.5]]


def test_every_mart_has_rows_and_the_analyst_reads_it(built: Any) -> None:
    for mart in MARTS:
        assert query(built, f"SELECT count(*) > 0 FROM gold.{mart}", "analyst") == [[True]]


def test_the_staging_view_does_not_lend_its_makers_rights(built: Any) -> None:
    with pytest.raises(TrinoUserError, match="Access Denied"):
        query(built, "SELECT * FROM gold.stg_flights", "analyst")


def test_building_again_changes_nothing(built: Any, dbt: Dbt) -> None:
    def prints() -> list[list[Any]]:
        answers = []
        for mart in MARTS:
            columns = [name for name, *_ in query(built, f"DESCRIBE gold.{mart}")]
            answers += query(built, f"SELECT count(*), to_hex(checksum(ROW({', '.join(columns)}))) FROM gold.{mart}")
        return answers

    before = prints()
    result = dbt("run")
    assert result.returncode == 0, result.stdout
    assert prints() == before


def test_every_mart_is_described_and_has_a_unit_test() -> None:
    import yaml

    for mart in MARTS:
        described = yaml.safe_load((PROJECT / "models" / "marts" / f"{mart}.yml").read_text())
        (model,) = described["models"]
        assert model["description"]
        assert all(column["description"] for column in model["columns"])
        assert any(test["model"] == mart for test in described["unit_tests"])
