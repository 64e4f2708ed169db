"""PostgreSQL's files as text."""

from __future__ import annotations

import dataclasses

from lakehold.components.postgres import POSTGRES, ROLES, server_settings
from lakehold.components.postgres_roles import DATABASES, OWNERS
from lakehold.components.reference import example_site
from lakehold.components.registry import COMPONENTS
from lakehold.tables.bootstrap import READERS

SITE = example_site(COMPONENTS)


def text(path: str) -> str:
    (file,) = [file for file in POSTGRES.files(SITE) if file.path == path]
    return file.text


def test_log_ins_need_a_password_everywhere() -> None:
    rules = [line.split() for line in text("pg_hba.conf").splitlines() if not line.startswith("#")]
    assert {rule[0] for rule in rules} == {"host"}
    assert {rule[-1] for rule in rules} == {"scram-sha-256"}
    assert {rule[3] for rule in rules} == {"127.0.0.1/32", "::1/128"}


def test_nothing_turns_durability_off() -> None:
    assert not {"fsync", "full_page_writes", "synchronous_commit"} & set(server_settings(SITE))


def test_the_port_is_the_site_s() -> None:
    other = dataclasses.replace(SITE, ports={**SITE.ports, "postgres": 5555})
    assert server_settings(other)["port"] == "5555"
    assert "port = '15432'" in text("postgresql.conf")


def test_every_role_has_one_database_and_owns_none_of_the_catalog_that_some_may_read() -> None:
    assert sorted(role for roles in DATABASES.values() for role in roles) == sorted([*ROLES, *READERS])
    assert "catalog" not in OWNERS
