"""How far behind sinks and stages are, in the text format that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_COUNTED = 1_000_000
"""What waits is counted up to here; more is as bad."""

SINKS = f"""
SELECT s.name, s.reads, s.position, s.backfill, s.delivered, s.last_success, s.last_error, s.attempts, s.retry_at,
    CASE s.reads
        WHEN 'event' THEN (SELECT count(*) FROM (SELECT 1 FROM event WHERE event_id > s.position LIMIT {_COUNTED}) w)
        ELSE (SELECT count(*) FROM (SELECT 1 FROM change WHERE change_id > s.position LIMIT {_COUNTED}) w)
    END AS behind,
    coalesce(extract(epoch FROM clock_timestamp() - CASE s.reads
        WHEN 'event' THEN (SELECT received_at FROM event WHERE event_id > s.position ORDER BY event_id LIMIT 1)
        ELSE (SELECT at FROM change WHERE change_id > s.position ORDER BY change_id LIMIT 1)
    END), 0)::float8 AS behind_seconds,
    (SELECT count(*) FROM sink_letter l WHERE l.sink = s.name AND l.replayed_at IS NULL) AS letters
FROM sink s ORDER BY s.name
"""  # noqa: S608 - the only value put in is the constant above
STAGES = """
SELECT s.name, (SELECT count(*) FROM event WHERE event_id > s.position) AS behind,
    coalesce(extract(epoch FROM clock_timestamp() -
        (SELECT received_at FROM event WHERE event_id > s.position ORDER BY event_id LIMIT 1)), 0)::float8
    AS behind_seconds
FROM stage s ORDER BY s.name
"""


@dataclass(frozen=True, kw_only=True)
class _Metric:
    name: str
    kind: str
    help: str
    label: str
    column: str


_SINK_METRICS = (
    _Metric(
        name="lakehold_lineage_sink_lag_items", kind="gauge", label="sink", column="behind",
        help="Events or changes the sink has not been told.",
    ),
    _Metric(
        name="lakehold_lineage_sink_lag_seconds", kind="gauge", label="sink", column="behind_seconds",
        help="Age of the oldest of them.",
    ),
    _Metric(
        name="lakehold_lineage_sink_backfilling", kind="gauge", label="sink", column="backfilling",
        help="1 while the sink is being told everything there is.",
    ),
    _Metric(
        name="lakehold_lineage_sink_letters", kind="gauge", label="sink", column="letters",
        help="What the sink refused for good and nobody has sent again.",
    ),
    _Metric(
        name="lakehold_lineage_sink_failed_attempts", kind="gauge", label="sink", column="attempts",
        help="Failed attempts since the last success.",
    ),
    _Metric(
        name="lakehold_lineage_sink_delivered_total", kind="counter", label="sink", column="delivered",
        help="Events or changes done with.",
    ),
)  # fmt: skip
_STAGE_METRICS = (
    _Metric(
        name="lakehold_lineage_stage_lag_events", kind="gauge", label="stage", column="behind",
        help="Events the stage has not worked in.",
    ),
    _Metric(
        name="lakehold_lineage_stage_lag_seconds", kind="gauge", label="stage", column="behind_seconds",
        help="Age of the oldest of them.",
    ),
)  # fmt: skip


def text(sinks: Iterable[Mapping[str, Any]], stages: Iterable[Mapping[str, Any]]) -> str:
    """Return the page of metrics; the rows are those of :data:`SINKS` and :data:`STAGES`."""
    rows = [{**row, "backfilling": int(row["backfill"] is not None)} for row in sinks]
    of_stages = list(stages)
    families = [(metric, rows) for metric in _SINK_METRICS] + [(metric, of_stages) for metric in _STAGE_METRICS]
    return "".join(_family(metric, rows) for metric, rows in families)


def _family(metric: _Metric, rows: Iterable[Mapping[str, Any]]) -> str:
    lines = [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
    lines += [f'{metric.name}{{{metric.label}="{_escaped(row["name"])}"}} {row[metric.column]}' for row in rows]
    return "\n".join(lines) + "\n"


def _escaped(text_: str) -> str:
    return text_.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
