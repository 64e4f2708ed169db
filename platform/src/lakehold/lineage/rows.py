"""Events as rows: the statements that put them into the tables ``event`` and ``rejected``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.lineage.event import Event, Name, Rejected

_LOCK = 5_270_002
"""Key of the advisory lock that makes event_id grow in the order of commits, also with several services on a database:
a stage that has worked in event 7 will never find a 6 that was not there before."""

# Parameters go in binary: writing an array of large texts as text costs a hundred times as much.
_INSERT = f"""
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock({_LOCK}))
INSERT INTO event (digest, kind, event_type, event_time, run_id, job_namespace, job_name, producer, parent_run_id,
                   parent_job_namespace, parent_job_name, root_run_id, inputs, outputs, body)
SELECT new.* FROM turn, unnest(
    %b::bytea[], %b::text[], %b::text[], %b::timestamptz[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::uuid[],
    %b::text[], %b::text[], %b::uuid[], %b::jsonb[], %b::jsonb[], %b::text[]) AS new
ON CONFLICT (digest) DO NOTHING
"""  # noqa: S608 - the only value put in is the constant above
_INSERT_REJECTED = """
INSERT INTO rejected (digest, reason, body) VALUES (%s, %s, %s)
ON CONFLICT (digest) DO UPDATE SET seen = rejected.seen + 1, last_seen = clock_timestamp()
"""


async def insert(connection: AsyncConnection[TupleRow], events: Sequence[Event]) -> None:
    """Store events in one statement; those that are there already stay as they are."""
    if events:
        columns = zip(*[_row(event) for event in events], strict=True)
        await connection.execute(_INSERT, [list(column) for column in columns], prepare=True)


async def insert_rejected(connection: AsyncConnection[TupleRow], rejected: Sequence[Rejected]) -> None:
    """Keep bodies aside; one that is there already is counted."""
    for item in rejected:
        digest = hashlib.blake2b(item.body, digest_size=16).digest()
        await connection.execute(_INSERT_REJECTED, (digest, item.reason, item.body))


def _row(event: Event) -> tuple[object, ...]:
    job, parent = event.job or (None, None), event.parent_job or (None, None)
    return (
        event.digest,
        event.kind,
        event.event_type,
        event.event_time,
        event.run_id,
        *job,
        event.producer,
        event.parent_run_id,
        *parent,
        event.root_run_id,
        _names(event.inputs),
        _names(event.outputs),
        event.body,
    )


def _names(names: Sequence[Name]) -> str:
    return json.dumps(names) if names else "[]"
