"""Column types in OpenMetadata's words, from those of Iceberg, Trino and Spark."""

from __future__ import annotations

import re
from typing import Any

_WORD = re.compile(r"\s*([a-z_ ]+?)\s*(?:[(<\[]|$)", re.IGNORECASE)
_NUMBERS = re.compile(r"\(\s*(\d{1,9})\s*(?:,\s*(\d{1,9})\s*)?\)")
"""Numbers that fit into the catalog's."""
_INSIDE = re.compile(r"[<(](.*)[>)]\s*$", re.DOTALL)
_KNOWN = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INT", "integer": "INT",
    "long": "BIGINT", "bigint": "BIGINT", "float": "FLOAT", "real": "FLOAT", "double": "DOUBLE",
    "decimal": "DECIMAL", "numeric": "DECIMAL", "date": "DATE", "time": "TIME",
    "timestamp": "TIMESTAMP", "timestamp_ns": "TIMESTAMP", "timestamp_ntz": "TIMESTAMP",
    "timestamptz": "TIMESTAMPZ", "timestamptz_ns": "TIMESTAMPZ", "string": "STRING", "text": "TEXT",
    "varchar": "VARCHAR", "char": "CHAR", "uuid": "UUID", "binary": "BINARY", "varbinary": "VARBINARY",
    "fixed": "FIXED", "list": "ARRAY", "array": "ARRAY", "map": "MAP", "struct": "STRUCT", "row": "STRUCT",
    "json": "JSON", "variant": "VARIANT", "geometry": "GEOMETRY", "geography": "GEOGRAPHY", "null": "NULL",
    "unknown": "UNKNOWN", "interval": "INTERVAL",
}  # fmt: skip
_SIZED = frozenset({"VARCHAR", "CHAR", "BINARY", "VARBINARY"})
"""Types that OpenMetadata refuses without a length; 1 is its word for "none was said"."""


def column_type(type_: str) -> dict[str, Any]:
    """Return ``dataType`` and what belongs to it for a type as a catalog writes it; UNKNOWN for what nobody knows."""
    name = _name(type_)
    found: dict[str, Any] = {"dataType": name, "dataTypeDisplay": type_.strip().lower() or "unknown"}
    numbers = _NUMBERS.search(type_)
    if name in _SIZED:
        found["dataLength"] = int(numbers.group(1)) if numbers else 1
    elif name == "DECIMAL" and numbers:
        found["precision"] = int(numbers.group(1))
        found["scale"] = int(numbers.group(2) or 0)
    elif name == "ARRAY":
        inside = _INSIDE.search(type_)
        found["arrayDataType"] = _name(inside.group(1)) if inside else "UNKNOWN"
    elif name == "STRUCT":
        found["children"] = []  # refused without, whether its members are columns of their own or not
    return found


def _name(type_: str) -> str:
    match = _WORD.match(type_)
    word = match.group(1).lower() if match else ""
    if word == "timestamp" and "with time zone" in type_.lower():
        return "TIMESTAMPZ"
    return _KNOWN.get(word.split(" ")[0] if word else "", "UNKNOWN")
