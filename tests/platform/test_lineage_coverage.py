"""Coverage of the main job: every snapshot of every table has a run that explains it."""

from __future__ import annotations

import json
from typing import Any

from running_platform import RunningPlatform
from waiting import wait_for

MADE_BY_THE_JOB = {
    *(f"bronze.{name}" for name in ("airlines", "airports", "flights", "planes", "weather")),
    "silver.flights",
    *(
        f"gold.{name}"
        for name in ("aircraft_use", "carrier_month", "delays", "routes", "stg_flights", "weather_impact")
    ),
    "ops.quality_results",
}


def coverage(platform: RunningPlatform) -> dict[str, Any]:
    return dict(json.loads(platform.lakehold("lineage", "coverage", "--json").stdout))


def test_every_snapshot_is_explained(day_run: tuple[RunningPlatform, str]) -> None:
    platform, _ = day_run
    found: dict[str, Any] = {}

    def settled() -> bool:
        found.clear()
        found.update(coverage(platform))
        return found["explained"] == found["snapshots"] and not found["behind"]

    wait_for(settled, 120, "every snapshot has a run; missing are the last ones asked for")
    assert (found["percent"], found["problem"], found["unread"]) == (100.0, "", {})
    assert {row["table_name"] for row in found["tables"]} >= MADE_BY_THE_JOB
    platform.lakehold("lineage", "coverage", "--at-least", "100")
