"""The chart's values of PostgreSQL: the bundled one, or one that others look after, and how that is known to be it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lakehold.cluster.amounts import NAME_OR_NONE, Part, Resources, Storage, sized


class Authority(Part):
    """Where the certificate of an authority is: a Secret or a ConfigMap of yours."""

    secret: str = Field(default="", pattern=NAME_OR_NONE, description="Secret of yours that has it.")
    config_map: str = Field(default="", pattern=NAME_OR_NONE, description="Or ConfigMap of yours that has it.")
    key: str = Field(
        default="ca.crt", pattern=r"^[-._a-zA-Z0-9]{1,253}$", description="Its key there; PEM, several may follow."
    )


class Server(Part):
    """Where a PostgreSQL is, and how its clients make sure that it is the one they mean."""

    host: str = Field(default="", pattern=NAME_OR_NONE, description="Its host name; empty: the bundled one is used.")
    port: int = Field(default=5432, ge=1, le=65535, description="Its port.")
    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer",
        description="As for libpq: `require` encrypts and trusts whoever answers, `verify-ca` also checks its "
        "certificate against `ca`, `verify-full` its name as well.",
    )
    ca: Authority = Authority()


class PostgresOutside(Server):
    """A PostgreSQL that others look after."""

    admin: str = Field(
        default="postgres",
        pattern=r"^[a-z_][a-z0-9_-]{0,62}$",
        description="A role that may make databases and roles; its password is the key `postgres.superuser`.",
    )


class Postgres(Part):
    """PostgreSQL: the bundled one, or an outside one."""

    outside: PostgresOutside = PostgresOutside()

    storage: Storage = Storage(size="8Gi")
    resources: Resources = sized("postgres", cpu="100m", most_cpu="2")
