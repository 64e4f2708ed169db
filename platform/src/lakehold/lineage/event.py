"""One OpenLineage event: from the bytes an emitter sent to the columns it is stored as, or the reason it is malformed.

What is checked is the frame every version of the specification agrees on (its ``RunEvent``, ``JobEvent`` and
``DatasetEvent``): the required fields and their types. Facets are not judged here; the body is kept exactly as it came,
so a later stage can read them again.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from lakehold.lineage.jsontext import MalformedError, decode, elements, skip, value_at

EVENT_TYPES = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})
ENDED_AS = frozenset({"COMPLETE", "ABORT", "FAIL"})

Name = tuple[str, str]
"""Namespace and name of a job or dataset."""

# RFC 3339 as emitters write it: Java leaves out seconds that are zero, and writes up to nine digits of a second.
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,12}))?([Zz]|[+-]\d\d:?\d\d)")

# The end of a schema that holds what a run has not published yet: in a table's name, or as a folder of a location.
_SHADOW = re.compile(r"__audit_[0-9a-f]{10}(?=[./\"]|$)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An accepted event. Names hold no character PostgreSQL cannot store; ``body`` is the text as it was sent."""

    body: str
    digest: bytes
    """Sixteen bytes that are equal for equal JSON values, whatever their spacing and key order."""
    kind: str
    """``run``, ``job`` or ``dataset``."""
    event_type: str | None
    event_time: datetime
    run_id: UUID | None
    job: Name | None
    producer: str
    parent_run_id: UUID | None
    parent_job: Name | None
    root_run_id: UUID | None
    inputs: tuple[Name, ...]
    outputs: tuple[Name, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """A body, or one element of a batch, that is not an event; kept aside with the reason."""

    body: bytes
    reason: str


def parse(body: bytes) -> Event:
    """Read one event; :class:`MalformedError` says why it cannot be."""
    text = decode(body)
    value, end = value_at(text, skip(text, 0))
    if skip(text, end) != len(text):
        raise MalformedError(f"there is more text after the JSON value, at character {end}")
    return _event(value, text)


def parse_batch(body: bytes) -> list[Event | Rejected]:
    """Read a JSON array of events, element by element; :class:`MalformedError` when it is not a JSON array."""
    text = decode(body)
    return [_element(value, slice_) for value, slice_ in elements(text)]


def _element(value: Any, text: str) -> Event | Rejected:
    try:
        return _event(value, text)
    except MalformedError as problem:
        return Rejected(body=text.encode("utf-8"), reason=str(problem))


def _event(value: Any, text: str) -> Event:
    event = _object(value, "the event")
    event_time = _instant(_text(event, "eventTime"))
    producer = _text(event, "producer")
    _text(event, "schemaURL")
    inputs, outputs = _datasets(event, "inputs"), _datasets(event, "outputs")
    event_type, run_id, job = None, None, None
    parent_run, parent_job, root_run = None, None, None
    if event.get("run") is not None:
        kind = "run"
        run = _object(event["run"], "run")
        run_id = _uuid(_text(run, "runId", "run."))
        job = _name(event.get("job"), "job")
        event_type = _event_type(event.get("eventType"))
        parent_run, parent_job, root_run = _parent(run)
    elif event.get("job") is not None:
        kind, job = "job", _name(event["job"], "job")
    elif event.get("dataset") is not None:
        kind, outputs = "dataset", (_dataset(event["dataset"], "dataset"),)
    else:
        raise MalformedError("it has none of run, job and dataset")
    return Event(
        body=text,
        digest=_digest(value),
        kind=kind,
        event_type=event_type,
        event_time=event_time,
        run_id=run_id,
        job=job,
        producer=storable(producer),
        parent_run_id=parent_run,
        parent_job=parent_job,
        root_run_id=root_run,
        inputs=inputs,
        outputs=outputs,
    )


def _digest(value: Any) -> bytes:
    try:
        canonical = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # numbers over 64 bits, halves of surrogate pairs: what only the slower writer can write
        try:
            canonical = json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
        except RecursionError:
            raise MalformedError("the JSON is nested too deeply") from None
    return hashlib.blake2b(canonical, digest_size=16).digest()


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedError(f"{what} must be a JSON object")
    return value


def _text(holder: dict[str, Any], key: str, prefix: str = "") -> str:
    value = holder.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedError(f"{prefix}{key} is missing" if value is None else f"{prefix}{key} must be text, not empty")
    return value


def _name(value: Any, what: str) -> Name:
    holder = _object(value, what)
    return storable(_text(holder, "namespace", f"{what}.")), storable(_text(holder, "name", f"{what}."))


def _dataset(value: Any, what: str) -> Name:
    """Return the name of a dataset; a shadow table is its target, which it will be or was going to be."""
    namespace, name = _name(value, what)
    return namespace, unshadowed(name)


def unshadowed(name: str) -> str:
    """Return a dataset's name without the mark of a schema that holds what is not published yet."""
    return _SHADOW.sub("", name)


def _datasets(event: dict[str, Any], key: str) -> tuple[Name, ...]:
    """Return each dataset once, in the order of the event."""
    value = event.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MalformedError(f"{key} must be a JSON array")
    return tuple(dict.fromkeys(_dataset(item, f"{key}[{index}]") for index, item in enumerate(value)))


def _event_type(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or value not in EVENT_TYPES):
        raise MalformedError(f"eventType must be one of {', '.join(sorted(EVENT_TYPES))}")
    return value


def _parent(run: dict[str, Any]) -> tuple[UUID | None, Name | None, UUID | None]:
    """Read the parent facet as far as it can be read: a facet with a mistake does not cost the event."""
    parent = _at(run, "facets", "parent")
    try:
        job = _name(_at(parent, "job"), "parent")
    except MalformedError:
        job = None
    return _maybe_uuid(_at(parent, "run", "runId")), job, _maybe_uuid(_at(parent, "root", "run", "runId"))


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _uuid(text: str) -> UUID:
    found = _maybe_uuid(text)
    if found is None:
        raise MalformedError("run.runId must be a UUID")
    return found


def _maybe_uuid(value: Any) -> UUID | None:
    if not isinstance(value, str) or len(value) != 36:
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def _instant(text: str) -> datetime:
    """Read an RFC 3339 time, to the microsecond PostgreSQL keeps; what is finer stays in the body."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise MalformedError("eventTime must be a date and time with its offset, as 2026-11-21T08:30:00.000Z")
    day, minute, second, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(
            f"{day}T{minute}{second or ':00'}.{(fraction or '0')[:6]:0<6}{offset.upper().replace('Z', '+00:00')}"
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as problem:
        raise MalformedError(f"eventTime is no time that exists: {problem}") from None


def storable(text: str) -> str:
    """Replace what PostgreSQL's text cannot hold: the NUL character and halves of surrogate pairs."""
    if "\x00" in text:
        text = text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
