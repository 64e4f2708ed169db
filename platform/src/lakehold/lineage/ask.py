"""Questions the service answers: lists of runs, jobs, datasets, events and more, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

MOST_ROWS = 1000


class QuestionError(ValueError):
    """A parameter of the question is unknown or has no meaning; the message says which."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A list that can be asked for: its statement, and the filters it knows with the condition of each."""

    select: LiteralString
    order: LiteralString
    filters: Mapping[str, LiteralString]


_RUN_SIDE = """ARRAY(SELECT json_build_object('namespace', d.namespace, 'name', d.name)
    FROM run_dataset rd JOIN dataset d USING (dataset_id)
    WHERE rd.run_id = r.run_id AND rd.direction = {} ORDER BY d.namespace, d.name)"""

QUESTIONS: Mapping[str, Question] = {
    "runs": Question(
        select="SELECT r.run_id, j.namespace AS job_namespace, j.name AS job_name, r.state,"  # noqa: S608 - constants only
        " coalesce(r.started_at, r.first_seen) AS started_at, r.ended_at, r.last_seen, r.events,"
        " r.parent_run_id, r.parent_job_namespace, r.parent_job_name, r.root_run_id, r.problem, "
        + _RUN_SIDE.replace("{}", "'input'")
        + " AS inputs, "
        + _RUN_SIDE.replace("{}", "'output'")
        + " AS outputs FROM run r JOIN job j USING (job_id)",
        order="ORDER BY r.first_seen DESC, r.run_id",
        filters={
            "run": "r.run_id = %(run)s::uuid",
            "parent": "r.parent_run_id = %(parent)s::uuid",
            "root": "r.root_run_id = %(root)s::uuid",
            "state": "r.state = upper(%(state)s)",
            "job": "strpos(j.name, %(job)s) > 0",
            "namespace": "j.namespace = %(namespace)s",
            "dataset": "EXISTS (SELECT 1 FROM run_dataset rd JOIN dataset d USING (dataset_id)"
            " WHERE rd.run_id = r.run_id AND strpos(d.name, %(dataset)s) > 0)",
            "since": "r.first_seen >= %(since)s::timestamptz",
            "until": "r.first_seen < %(until)s::timestamptz",
        },
    ),
    "jobs": Question(
        select="""SELECT j.namespace, j.name, j.first_seen, j.last_seen, coalesce(n.runs, 0) AS runs, n.state
            FROM job j LEFT JOIN LATERAL (SELECT count(*) AS runs,
                (array_agg(r.state ORDER BY r.first_seen DESC, r.run_id))[1] AS state
                FROM run r WHERE r.job_id = j.job_id) n ON true""",
        order="ORDER BY j.last_seen DESC, j.job_id",
        filters={"name": "strpos(j.name, %(name)s) > 0", "namespace": "j.namespace = %(namespace)s"},
    ),
    "datasets": Question(
        select="""SELECT d.namespace, d.name, d.first_seen, d.last_seen,
            (SELECT count(*) FROM run_dataset rd WHERE rd.dataset_id = d.dataset_id AND rd.direction = 'output')
                AS written_by_runs,
            (SELECT count(*) FROM run_dataset rd WHERE rd.dataset_id = d.dataset_id AND rd.direction = 'input')
                AS read_by_runs
            FROM dataset d""",
        order="ORDER BY d.last_seen DESC, d.dataset_id",
        filters={"name": "strpos(d.name, %(name)s) > 0", "namespace": "d.namespace = %(namespace)s"},
    ),
    "events": Question(
        select="""SELECT e.event_id, e.received_at, e.kind, e.event_type, e.event_time, e.run_id, e.job_namespace,
            e.job_name, e.producer, e.inputs, e.outputs, octet_length(e.body) AS bytes FROM event e""",
        order="ORDER BY e.event_id DESC",
        filters={
            "run": "e.run_id = %(run)s::uuid",
            "job": "strpos(e.job_name, %(job)s) > 0",
            "type": "e.event_type = upper(%(type)s)",
            "before": "e.event_id < %(before)s::bigint",
        },
    ),
    "rejected": Question(
        select="""SELECT encode(digest, 'hex') AS digest, first_seen, last_seen, seen, reason,
            octet_length(body) AS bytes, encode(substr(body, 1, 100), 'escape') AS beginning FROM rejected""",
        order="ORDER BY last_seen DESC, digest",
        filters={"digest": "digest = decode(%(digest)s, 'hex')"},
    ),
    "stages": Question(
        select="""SELECT s.name, s.position, (SELECT count(*) FROM event WHERE event_id > s.position) AS behind,
            CASE s.name WHEN 'graph2'
                THEN (SELECT count(*) FROM due) + (SELECT count(*) FROM due_pair) ELSE 0 END AS due FROM stage s""",
        order="ORDER BY s.name",
        filters={},
    ),
}

EVENT = "SELECT body FROM event WHERE event_id = %(event_id)s::bigint"
"""The statement that reads one event as it was sent."""


def statement(list_: str, asked: Mapping[str, str]) -> tuple[LiteralString, dict[str, Any]]:
    """Return the SQL and its parameters for one of :data:`QUESTIONS`; :class:`QuestionError` for unknown parameters."""
    question = QUESTIONS[list_]
    values: dict[str, Any] = {key: value for key, value in asked.items() if key != "limit"}
    unknown = sorted(values.keys() - question.filters.keys())
    if unknown:
        known = ", ".join(sorted([*question.filters, "limit"]))
        raise QuestionError(f"{list_} cannot be asked by {unknown[0]}; it knows {known}")
    conditions = [question.filters[key] for key in values]
    where = " WHERE " + " AND ".join(conditions) if conditions else ""
    values["limit"] = _limit(asked.get("limit", "50"))
    return f"{question.select}{where} {question.order} LIMIT %(limit)s", values


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST_ROWS):
        raise QuestionError(f"limit must be a number from 1 to {MOST_ROWS}")
    return int(text)
