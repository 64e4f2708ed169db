"""Who may do what in Trino: groups, and the file-based access rules, as data (pure).

People are in a group of the same name as their role. The first rule that matches decides, so a section reads from the
most to the least trusted. Users may always see and kill their own queries; Trino grants that itself.
"""

from __future__ import annotations

from typing import Any

PEOPLE = ("admin", "engineer", "analyst")
"""Users for people; each is in the group of its name."""
SERVICES = ("dbt", "gates", "maintenance")
"""Users for programs; each is in the group ``services``."""
OBSERVER = "lineage"
"""The user of the lineage service: may look at what others ran, to hear again what it has missed, and run nothing."""
SCHEMAS = ("bronze", "silver", "gold", "ops")
"""Layers of the lakehouse, and ``ops`` for what the platform itself records (results of gates)."""

_LAYERS = "bronze|silver|gold"

_READ_ONLY = {"filter": "true"}
"""A row filter that keeps every row. File-based rules never ask who may run ``ALTER TABLE … EXECUTE`` (``optimize``,
``expire_snapshots``, ``remove_orphan_files``), but Trino refuses it on a table that has a row filter for the user."""

_WRITE = ["SELECT", "INSERT", "UPDATE", "DELETE", "OWNERSHIP"]
_SHADOWS = "__audit_[a-z0-9_]+"
"""The end of a shadow schema's name: a run writes there what is not published yet."""
_SHADOW = f"({_SHADOWS})?"
"""A layer, or one of its shadows."""


def groups() -> str:
    """The group file: one ``group:user,user`` a line."""
    lines = [f"{person}:{person}" for person in PEOPLE]
    return "\n".join([*lines, f"services:{','.join(SERVICES)}", f"observers:{OBSERVER}", ""])


def rules(catalog: str) -> dict[str, Any]:
    """The whole rules file for the lakehouse catalog of this name."""
    return {
        "catalogs": _catalogs(catalog),
        "schemas": _schemas(catalog),
        "tables": _tables(catalog),
        "procedures": [{"group": "admin", "privileges": ["EXECUTE"]}],
        "functions": [{"group": "admin|engineer", "catalog": catalog, "privileges": ["EXECUTE"]}],
        "queries": [
            {"group": "admin", "allow": ["execute", "kill", "view"]},
            {"user": OBSERVER, "allow": ["view"]},
            {"allow": ["execute"]},
        ],
        "impersonation": [{"original_user": ".*", "new_user": ".*", "allow": False}],
        "system_information": [{"user": "admin", "allow": ["read", "write"]}],
        "system_session_properties": [
            {"group": "admin|engineer|services", "allow": True},
            # The rest would let a reader lift the limits that protect everybody else's queries.
            {"property": "time_zone_id|query_max_execution_time|query_max_run_time", "allow": True},
            {"allow": False},
        ],
        "catalog_session_properties": [
            # Its limit keeps a clone and its original from taking each other's files; see `tables.catalog`.
            {"property": "remove_orphan_files_min_retention", "allow": False},
            {"group": "admin|engineer|services", "allow": True},
            {"allow": False},
        ],
    }


def _catalogs(catalog: str) -> list[dict[str, Any]]:
    return [
        {"group": "admin", "allow": "all"},
        {"group": "engineer|services", "catalog": catalog, "allow": "all"},
        {"group": "analyst", "catalog": catalog, "allow": "read-only"},
        {"group": "observers", "allow": "none"},
        {"catalog": "tpch|system", "allow": "read-only"},
        {"allow": "none"},
    ]


def _schemas(catalog: str) -> list[dict[str, Any]]:
    return [
        {"group": "admin", "owner": True},
        {"user": "dbt", "catalog": catalog, "schema": f"gold{_SHADOW}", "owner": True},
        {"owner": False},
    ]


def _tables(catalog: str) -> list[dict[str, Any]]:
    def rule(who: dict[str, str], schema: str, privileges: list[str]) -> dict[str, Any]:
        guard = {} if "OWNERSHIP" in privileges else _READ_ONLY
        return {**who, "catalog": catalog, "schema": schema, "privileges": privileges, **guard}

    engineer, analyst = {"group": "engineer"}, {"group": "analyst"}
    dbt, gates, maintenance = {"user": "dbt"}, {"user": "gates"}, {"user": "maintenance"}
    return [
        {"group": "admin", "privileges": [*_WRITE, "GRANT_SELECT"]},
        rule(engineer, f"({_LAYERS}){_SHADOW}", [*_WRITE, "GRANT_SELECT"]),
        rule(engineer, "ops", ["SELECT"]),
        # GRANT_SELECT: a gold view over silver is read with the rights of dbt, who made it.
        rule(dbt, f"gold{_SHADOW}", [*_WRITE, "GRANT_SELECT"]),
        rule(dbt, "bronze|silver", ["SELECT", "GRANT_SELECT"]),
        rule(gates, "ops", _WRITE),
        # A gate may take the rows that break a rule out of what will be published, never out of what is.
        {**gates, "catalog": catalog, "schema": f"({_LAYERS}){_SHADOWS}", "privileges": ["SELECT", "DELETE"]},
        rule(gates, ".*", ["SELECT"]),
        # No filter: it may optimize; ANALYZE asks for INSERT. A shadow belongs to its run alone.
        {**maintenance, "catalog": catalog, "schema": f"(?!.*{_SHADOWS}).*", "privileges": ["SELECT", "INSERT"]},
        rule(analyst, "gold", ["SELECT"]),
        {"catalog": "tpch", "privileges": ["SELECT"]},
        {"catalog": "system", "schema": "jdbc|metadata", "privileges": ["SELECT"]},
        {"catalog": "system", "schema": "runtime", "table": "queries", "privileges": ["SELECT"]},
        {"privileges": []},
    ]
