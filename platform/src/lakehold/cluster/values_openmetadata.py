"""The chart's values of OpenMetadata and of the OpenSearch it needs."""

from __future__ import annotations

from pydantic import Field

from lakehold.cluster.amounts import NAME_OR_NONE, Amounts, Part, Resources, Storage
from lakehold.cluster.values_postgres import Server

_TAG, _DIGEST = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", r"@sha256:[0-9a-f]{64}"
_REFERENCE = rf"^([a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+({_TAG}|{_DIGEST}))?$"


class Database(Server):
    """Its database, made by you: OpenMetadata makes the tables.

    Without a host it is in this platform's PostgreSQL, and what that says of TLS holds.
    """

    host: str = Field(default="", pattern=NAME_OR_NONE, description="Host name; empty: the platform's PostgreSQL.")
    port: int = Field(default=5432, ge=1, le=65535, description="Its port, where a host is given.")
    name: str = Field(default="openmetadata", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="Name of the database.")
    user: str = Field(
        default="openmetadata",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Role that owns it; its password is the key `openmetadata.database`.",
    )


class OpenSearch(Part):
    """The search engine it keeps its index in."""

    image: str = Field(default="", pattern=_REFERENCE, description="The official image, with a tag or a digest.")
    heap: str = Field(default="512m", pattern=r"^[1-9][0-9]*[mg]$", description="Java heap.")
    storage: Storage = Storage(size="10Gi")
    resources: Resources = Resources(
        requests=Amounts(cpu="100m", memory="1Gi"), limits=Amounts(cpu="2", memory="1536Mi")
    )


class OpenMetadata(Part):
    """OpenMetadata from its official image; never run by our tests, for it is in no registry they can reach."""

    enabled: bool = Field(default=False, description="Whether it is installed.")
    image: str = Field(default="", pattern=_REFERENCE, description="The official image, with a tag or a digest.")
    domain: str = Field(
        default="example.org",
        pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
        description="Domain of people's addresses. The first to log in is `admin` there: change the password `admin`.",
    )
    heap: str = Field(default="1g", pattern=r"^[1-9][0-9]*[mg]$", description="Java heap.")
    database: Database = Database()
    resources: Resources = Resources(
        requests=Amounts(cpu="250m", memory="1536Mi"), limits=Amounts(cpu="2", memory="2Gi")
    )
    opensearch: OpenSearch = OpenSearch()
