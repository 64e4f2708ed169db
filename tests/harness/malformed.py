"""Bodies that emitters should never send: events of OpenLineage and of Trino with something wrong, and plain noise.

Every choice is drawn from the ``random.Random`` that is given, so a seed gives the same bodies again, and a
property-based test can give one of its own and have it shrunk.
"""

from __future__ import annotations

import copy
import json
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

_OPENLINEAGE: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2013-01-01T05:00:00.000Z",
    "run": {
        "runId": "0196b6f4-0000-7000-8000-000000000000",
        "facets": {
            "parent": {
                "run": {"runId": "0196b6f4-0000-7000-8000-000000000001"},
                "job": {"namespace": "lakehold", "name": "flights_daily.gold.marts.build"},
                "root": {
                    "run": {"runId": "0196b6f4-0000-7000-8000-000000000002"},
                    "job": {"namespace": "n", "name": "d"},
                },
            },
            "lakehold_query": {"user": "engineer", "model": "model.lakehold.delays"},
            "processing_engine": {"name": "trino", "version": "476"},
        },
    },
    "job": {
        "namespace": "lakehold",
        "name": "flights_daily.silver",
        "facets": {"sql": {"query": "INSERT INTO gold.t SELECT a FROM silver.s"}, "jobType": {"integration": "TRINO"}},
    },
    "inputs": [
        {
            "namespace": "trino://127.0.0.1:18443",
            "name": "lakehouse.silver.s",
            "facets": {"symlinks": {"identifiers": [{"namespace": "n", "name": "silver.s", "type": "TABLE"}]}},
            "inputFacets": {"dataQualityAssertions": {"assertions": [{"assertion": "unique", "success": True}]}},
        }
    ],
    "outputs": [
        {
            "namespace": "s3://lakehouse",
            "name": "gold__audit_0123456789/t",
            "facets": {
                "schema": {"fields": [{"name": "a", "type": "bigint"}]},
                "columnLineage": {
                    "fields": {
                        "a": {
                            "inputFields": [
                                {
                                    "namespace": "s3://lakehouse",
                                    "name": "silver/s",
                                    "field": "a",
                                    "transformations": [{"type": "DIRECT", "subtype": "IDENTITY", "masking": False}],
                                }
                            ]
                        }
                    }
                },
            },
        }
    ],
    "producer": "urn:test",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
}
_TRINO: dict[str, Any] = {
    "createTime": "2026-11-21T15:09:21.200Z",
    "endTime": "2026-11-21T15:09:22.200Z",
    "context": {"user": "engineer", "clientTags": ["lakehold-task:n/a.b/c"], "queryType": "INSERT", "source": None},
    "metadata": {
        "queryId": "20261121_150536_00001_rjktj",
        "query": "INSERT INTO t SELECT a FROM s",
        "queryState": "FINISHED",
        "uri": "https://127.0.0.1:18443/v1/query/x",
        "tables": [
            {"catalog": "c", "schema": "s", "table": "t", "directlyReferenced": True, "columns": [{"column": "a"}]}
        ],
    },
    "statistics": {"writtenRows": 1, "writtenBytes": 2},
    "ioMetadata": {
        "inputs": [{"catalogName": "c", "schema": "s", "table": "t", "columns": [{"name": "a"}]}],
        "output": {
            "catalogName": "c",
            "schema": "s",
            "table": "u",
            "columns": [
                {
                    "columnName": "a",
                    "columnType": "bigint",
                    "sourceColumns": [{"catalog": "c", "schema": "s", "table": "t", "columnName": "a"}],
                }
            ],
        },
    },
}

_ODD: tuple[Any, ...] = (
    None, "", " ", 0, -1, 1e308, 10**400, True, [], {}, [[]], [None], {"": None}, "\x00", "a\x00b", "\ud800", "\udfff",
    "x" * 5000, "\U0001f4a5", "not-a-uuid", "2013-13-45T99:99:99Z", "9999-12-31T23:59:59.999999999-23:59",
    "0000-00-00T00:00Z", "'; DROP TABLE event; --", "%s %(x)s {}", "../../etc/passwd", {"$ref": "#"}, float("inf"),
    [{"namespace": "n", "name": "m"}] * 30, {str(number): number for number in range(30)},
)  # fmt: skip


def openlineage(choose: random.Random) -> bytes:
    """Return an event of OpenLineage, or what is left of one; a few are still good."""
    return _broken(_OPENLINEAGE, choose)


def trino(choose: random.Random) -> bytes:
    """Return an event of Trino's HTTP listener, or what is left of one; a few are still good."""
    return _broken(_TRINO, choose)


def batch(choose: random.Random, least: int = 0, most: int = 5) -> bytes:
    """Return an array of such events, or what is left of one."""
    body = b"[" + b",".join(openlineage(choose) for _ in range(choose.randint(least, most))) + b"]"
    return _noisy(body, choose) if choose.random() < 0.3 else body


def _broken(event: dict[str, Any], choose: random.Random) -> bytes:
    value = copy.deepcopy(event)
    if value is not None and "run" in value:
        value["run"]["runId"] = str(uuid.UUID(int=choose.getrandbits(128)))
    for _ in range(choose.randint(1, 3)):
        _spoil(value, choose)
    text = json.dumps(value, ensure_ascii=choose.random() < 0.7)
    body = text.encode("utf-8", "surrogatepass")
    return _noisy(body, choose) if choose.random() < 0.4 else body


def _spoil(value: Any, choose: random.Random) -> None:
    """Take something away, or put something odd in its place."""
    holder, key = choose.choice(list(_places(value)) or [({}, None)])
    if key is None:
        return
    if choose.random() < 0.3:
        del holder[key]
    elif choose.random() < 0.1:
        holder[key] = [copy.deepcopy(holder[key])]
    else:
        holder[key] = copy.deepcopy(choose.choice(_ODD))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _noisy(body: bytes, choose: random.Random) -> bytes:
    return choose.choice(_NOISES)(body, choose)


def _flipped(body: bytes, choose: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(choose.randint(1, 8)):
        changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
    return bytes(changed)


def _nested(body: bytes, choose: random.Random) -> bytes:
    depth = choose.choice((50, 990, 5000))
    start, end = choose.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return start * depth + body + end * depth


_NOISES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    lambda body, choose: body[: choose.randrange(len(body))],
    lambda body, choose: body[choose.randrange(len(body)) :],
    lambda body, choose: body + choose.choice((b"]", b"}", b"\x00", b" \n", b",", body[:100])),
    lambda body, choose: choose.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b" ", b"[", b"\x80")) + body,
    lambda body, _: body.decode("utf-8", "replace").encode("utf-16"),
    lambda _, choose: choose.randbytes(choose.randint(0, 200)),
    lambda _, choose: choose.choice((b"", b"null", b"7", b'"x"', b"[]", b"{}", b"NaN", b"[[[[", b"1" * 5000, b"1e999")),
    lambda body, _: body.replace(b'"', b"'"),
    lambda body, _: body.replace(b":", b": ,", 1),
    lambda body, _: body.replace(b"true", b"NaN").replace(b"null", b"-Infinity"),
    _flipped,
    _nested,
)
