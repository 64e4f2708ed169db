"""Where the catalog is that the reader reads."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Store:
    """The object store with the tables' files, and as whom to ask it."""

    endpoint: str
    region: str
    access: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Trino:
    """Where Trino is, the CA its certificate is checked against, and who may look at its queries."""

    url: str
    ca: str
    user: str
    password: str = field(repr=False)
    trusted: frozenset[str] = frozenset()
    """Users whose queries are believed to be of the task or dbt model they name."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A JDBC catalog: its name, its database (libpq connection string), and the store of its metadata files."""

    name: str
    database: str = field(repr=False)
    store: Store
    trino: Trino | None = None
    """Who is asked about queries that nobody reported."""
