"""What a program tells of the files it loaded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lakehold.config.ancestry import Ancestor, Ancestry
from lakehold.lineage.event import parse
from lakehold.lineage.tell import Loaded, event, tell

TASK = Ancestor("lakehold", "flights_daily.bronze.load", "013bf368-5800-7e11-a5f4-ac7a0434c387")
RUN = Ancestor("lakehold", "flights_daily", "013bf368-5800-798a-b6cb-ade3d0a16315")
NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
FLIGHTS = Loaded(
    table="bronze.flights",
    source="s3://landing/flights",
    files=["s3://landing/flights/2013-01-01.csv"],
    columns={"dest": ["dest"], "flight_date": ["year", "month"], "_source_file": []},
)


def test_a_load_is_a_run_below_its_task_from_the_folder_to_the_table() -> None:
    told = event(FLIGHTS, "lakehouse", "lakehold", Ancestry(task=TASK, root=RUN), NOW)
    read = parse(json.dumps(told).encode())
    assert read.job == ("lakehold", "flights_daily.bronze.load.landed.flights")
    assert read.parent_job == ("lakehold", "flights_daily.bronze.load")
    assert (str(read.parent_run_id), str(read.root_run_id)) == (TASK.run, RUN.run)
    assert read.inputs == (("s3://landing", "flights"),)
    assert read.outputs == (("lakehouse", "bronze.flights"),)
    assert read.event_time == NOW
    assert told["inputs"][0]["inputFacets"]["subset"]["inputCondition"]["locations"] == FLIGHTS.files


def test_a_column_of_the_same_name_is_taken_as_it_is() -> None:
    told = event(FLIGHTS, "lakehouse", "lakehold", Ancestry(), NOW)
    fields = told["outputs"][0]["facets"]["columnLineage"]["fields"]
    said = {
        (column, one["field"], one["transformations"][0]["subtype"])
        for column, field in fields.items()
        for one in field["inputFields"]
    }
    assert said == {
        ("dest", "dest", "IDENTITY"),
        ("flight_date", "year", "TRANSFORMATION"),
        ("flight_date", "month", "TRANSFORMATION"),
    }
    assert told["run"]["facets"] == {}
    assert told["job"]["name"] == "load.landed.flights"


def test_a_program_waits_for_nobody(tmp_path: Path) -> None:
    address = SimpleNamespace(namespace="lakehold")
    known: Any = SimpleNamespace(work=str(tmp_path), catalog={"name": "lakehouse"}, lineage=address)
    assert tell([], known) == tell([FLIGHTS], known) == ""
    (left,) = (tmp_path / "lineage").iterdir()
    (told,) = left.read_text().splitlines()
    assert parse(told.encode()).outputs == (("lakehouse", "bronze.flights"),)
