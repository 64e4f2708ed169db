"""Trino's files: passwords as it wants them, the same from run to run, and rules whose first match decides."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import bcrypt
import pytest
from lakehold.components.reference import example_site
from lakehold.components.registry import COMPONENTS
from lakehold.components.trino import USERS, java_options, password_file, properties, server_properties
from lakehold.components.trino_rules import SERVICES, groups, rules
from lakehold.components.trino_schemas import statement
from lakehold.config.settings import Settings

SITE = example_site(COMPONENTS)
LAYERS = {"bronze", "silver", "gold", "gold__audit_r1"}


def allowed(user: str, schema: str) -> set[str]:
    """Privileges of the first table rule that matches, as Trino reads the file."""
    group = "services" if user in SERVICES else user
    subject: dict[str, Any] = {"user": user, "group": group, "catalog": "lakehouse", "schema": schema, "table": "t"}
    for rule in rules("lakehouse")["tables"]:
        if all(re.fullmatch(rule.get(key, ".*"), value) for key, value in subject.items()):
            return set(rule["privileges"])
    return set()


@pytest.mark.parametrize(
    ("user", "reads", "writes"),
    [
        ("admin", {*LAYERS, "ops"}, {*LAYERS, "ops"}),
        ("engineer", {*LAYERS, "ops"}, LAYERS),
        ("analyst", {"gold"}, set()),
        ("dbt", LAYERS, {"gold", "gold__audit_r1"}),
        ("gates", {*LAYERS, "ops"}, {"ops"}),
        ("maintenance", {"bronze", "silver", "gold", "ops"}, {"bronze", "silver", "gold", "ops"}),
        ("stranger", set(), set()),
    ],
)
def test_who_reads_and_writes_which_layer(user: str, reads: set[str], writes: set[str]) -> None:
    schemas = ["bronze", "silver", "gold", "gold__audit_r1", "ops", "elsewhere"]
    if user in {"admin", "gates", "maintenance"}:
        reads = {*reads, "elsewhere"}
    if user in {"admin", "maintenance"}:
        writes = {*writes, "elsewhere"}
    assert {schema for schema in schemas if "SELECT" in allowed(user, schema)} == reads
    assert {schema for schema in schemas if "INSERT" in allowed(user, schema)} == writes


def test_a_gate_takes_rows_out_of_shadows_only() -> None:
    schemas = ["bronze", "silver", "gold", "gold__audit_r1", "silver__audit_0123456789", "ops", "elsewhere"]
    assert [name for name in schemas if "DELETE" in allowed("gates", name)] == [
        "gold__audit_r1",
        "silver__audit_0123456789",
        "ops",
    ]


def test_what_is_read_only_takes_no_maintenance() -> None:
    for rule in rules("lakehouse")["tables"]:
        if rule.get("catalog") == "lakehouse" and {"INSERT", "DELETE", "OWNERSHIP"}.isdisjoint(rule["privileges"]):
            assert rule["filter"] == "true"


def test_the_user_maintenance_rewrites_and_takes_nothing_away() -> None:
    for schema in ("bronze", "gold", "ops", "elsewhere"):
        assert allowed("maintenance", schema) == {"SELECT", "INSERT"}
    assert allowed("maintenance", "gold__audit_0123456789") == set()


def test_every_password_is_a_bcrypt_hash_of_its_secret_and_never_changes_by_itself() -> None:
    text = password_file(SITE)
    assert text == password_file(SITE)
    hashes = dict(line.split(":", 1) for line in text.splitlines())
    assert list(hashes) == list(USERS)
    assert len(set(hashes.values())) == len(USERS)
    for user, hashed in hashes.items():
        assert hashed.startswith("$2y$10$")
        assert bcrypt.checkpw(f"SECRET:trino.{user}".encode(), hashed.replace("$2y$", "$2b$").encode())
    changed = dataclasses.replace(SITE, secrets={**SITE.secrets, "trino.dbt": "another"})
    differing = {line.split(":")[0] for line in set(password_file(changed).splitlines()) - set(text.splitlines())}
    assert differing == {"dbt"}


def test_groups_hold_every_user_once() -> None:
    members = [user for line in groups().splitlines() for user in line.split(":")[1].split(",")]
    assert sorted(members) == sorted(USERS)


def test_settings_reach_the_files() -> None:
    settings = Settings.model_validate(
        {"trino": {"heap": "6G", "query_max_memory": "4GB"}, "catalog": {"name": "lake"}}
    )
    site = dataclasses.replace(SITE, settings=settings)
    assert "-Xmx6G" in java_options(site)
    assert server_properties(site)["query.max-memory"] == "4GB"
    (trino,) = [part for part in COMPONENTS if part.name == "trino"]
    assert "etc/catalog/lake.properties" in {file.path for file in trino.files(site)}


def test_temporary_files_stay_in_the_state_directory() -> None:
    assert f"-Djava.io.tmpdir={SITE.state}/work/tmp" in java_options(SITE)
    assert "-XX:-UsePerfData" in java_options(SITE)


def test_there_is_no_plain_http() -> None:
    values = server_properties(SITE)
    assert values["http-server.http.enabled"] == "false"
    assert values["internal-communication.https.required"] == "true"


def test_a_backslash_survives_a_properties_file() -> None:
    assert properties({"a": "b\\c"}) == "a=b\\\\c\n"


def test_a_schema_lies_below_the_warehouse() -> None:
    wanted = 'CREATE SCHEMA IF NOT EXISTS "lakehouse"."gold" WITH (location = \'s3://lakehouse/gold\')'
    assert statement("lakehouse", "gold", "s3://lakehouse/") == wanted
