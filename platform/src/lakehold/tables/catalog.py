"""One Iceberg catalog, told to each engine: pure functions from an installation to Trino, Spark and pyiceberg settings.

The catalog has the same name in every engine: in a JDBC catalog the name is part of each row's key, so an engine that
used another name would see an empty catalog and no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlencode

from lakehold.config.settings import CatalogSettings, Settings
from lakehold.errors import ConfigError
from lakehold.tables import bootstrap
from lakehold.tables.ledger_schema import PUBLISHER

CREDENTIAL, TOKEN = "catalog.credential", "catalog.token"
"""Secrets of an outside REST catalog; they come from the files named in the settings and are never generated."""


class Installation(Protocol):
    """What of an installation the catalog depends on (a :class:`lakehold.components.model.Site` is one)."""

    @property
    def settings(self) -> Settings:
        """The settings in ``lakehold.toml``."""

    @property
    def ports(self) -> Mapping[str, int]:
        """TCP ports by component."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """Secrets by name."""

    @property
    def postgres_tls(self) -> Mapping[str, str]:
        """What libpq and the JDBC driver are told of PostgreSQL's certificate, in the words they share."""

    def at(self, component: str) -> str:
        """Return the address a component is reached at."""


def bundled_store(site: Installation) -> str:
    """Base URL of the bundled object store."""
    return f"http://{site.at('objectstore')}:{site.ports['objectstore']}"


def s3_endpoint(site: Installation) -> str:
    """Base URL of the object store that tables and deliveries are in."""
    return site.settings.s3.endpoint or bundled_store(site)


def access_key(site: Installation, user: str) -> str:
    """Return by which access key the store knows one of its users."""
    return site.settings.s3.access_keys.get(user, user)


def trino_catalog_properties(site: Installation) -> dict[str, str]:
    """Properties of Trino's Iceberg catalog (``etc/catalog/<name>.properties``); holds secrets."""
    return {
        "connector.name": "iceberg",
        "iceberg.file-format": "PARQUET",
        "iceberg.compression-codec": "ZSTD",
        "iceberg.register-table-procedure.enabled": "true",
        # Two tables that had the same name at different times must not share a folder.
        "iceberg.unique-table-location": "true",
        # It ignores gc.enabled and knows one table: on a clone it would delete what only its original needs, and the
        # other way round. So it never deletes anything; our own maintenance knows both.
        "iceberg.remove-orphan-files.min-retention": "36500d",
        **_trino_catalog_type(site),
        "fs.native-s3.enabled": "true",
        "s3.endpoint": s3_endpoint(site),
        "s3.region": site.settings.s3.region,
        "s3.path-style-access": "true",
        "s3.aws-access-key": access_key(site, "trino"),
        "s3.aws-secret-key": site.secrets["s3.trino"],
    }


def _trino_catalog_type(site: Installation) -> dict[str, str]:
    catalog = site.settings.catalog
    if catalog.type == "rest":
        return {
            "iceberg.catalog.type": "rest",
            "iceberg.rest-catalog.uri": _rest_uri(catalog),
            "iceberg.rest-catalog.warehouse": _warehouse(catalog),
            **_trino_login(site),
        }
    return {
        "iceberg.catalog.type": "jdbc",
        "iceberg.jdbc-catalog.driver-class": "org.postgresql.Driver",
        "iceberg.jdbc-catalog.connection-url": _jdbc_url(site),
        "iceberg.jdbc-catalog.connection-user": "trino",
        "iceberg.jdbc-catalog.connection-password": site.secrets["postgres.trino"],
        "iceberg.jdbc-catalog.catalog-name": catalog.name,
        "iceberg.jdbc-catalog.default-warehouse-dir": catalog.warehouse,
        "iceberg.jdbc-catalog.schema-version": "V1",
        # Serialization failure and deadlock: the transaction did nothing, so it may be tried again.
        "iceberg.jdbc-catalog.retryable-status-codes": "40001,40P01",
    }


def _trino_login(site: Installation) -> dict[str, str]:
    login = _rest_login(site)
    if not login:
        return {}
    names = {"oauth2-server-uri": "server-uri"}
    oauth2 = {f"iceberg.rest-catalog.oauth2.{names.get(key, key)}": value for key, value in login.items()}
    return {"iceberg.rest-catalog.security": "OAUTH2", **oauth2}


def spark_catalog_conf(site: Installation) -> dict[str, str]:
    """Spark properties of the catalog; they hold secrets: for a properties file, never for a command line."""
    catalog = site.settings.catalog
    prefix = f"spark.sql.catalog.{catalog.name}"
    options = {
        **_spark_catalog_type(site),
        "warehouse": _warehouse(catalog),
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": s3_endpoint(site),
        "s3.path-style-access": "true",
        "s3.access-key-id": access_key(site, "spark"),
        "s3.secret-access-key": site.secrets["s3.spark"],
        # Without it the session works and the tasks fail.
        "client.region": site.settings.s3.region,
        # Other engines commit as well: a cached table would hide their snapshots.
        "cache-enabled": "false",
    }
    return {
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        prefix: "org.apache.iceberg.spark.SparkCatalog",
        **{f"{prefix}.{key}": value for key, value in options.items()},
    }


def _spark_catalog_type(site: Installation) -> dict[str, str]:
    catalog = site.settings.catalog
    if catalog.type == "rest":
        login = _rest_login(site)
        # Without its name the client guesses the kind of login from what it is given, and warns of having done so.
        return {"type": "rest", "uri": _rest_uri(catalog), **login, **({"rest.auth.type": "oauth2"} if login else {})}
    return {
        "type": "jdbc",
        "uri": _jdbc_url(site),
        "jdbc.user": "spark",
        "jdbc.password": site.secrets["postgres.spark"],
        "jdbc.schema-version": "V1",
        "init-catalog-tables": "false",
    }


def pyiceberg_properties(site: Installation) -> dict[str, str]:
    """Properties for ``pyiceberg.catalog.load_catalog(**properties)``, ``name`` included; holds secrets."""
    catalog = site.settings.catalog
    return {
        "name": catalog.name,
        **_pyiceberg_catalog_type(site),
        "warehouse": _warehouse(catalog),
        "s3.endpoint": s3_endpoint(site),
        "s3.region": site.settings.s3.region,
        "s3.access-key-id": access_key(site, "engine"),
        "s3.secret-access-key": site.secrets["s3.engine"],
        "s3.path-style-access": "true",
        # By its own defaults pyarrow gives up a request to a busy store after three seconds.
        "s3.connect-timeout": "10",
        "s3.request-timeout": "60",
    }


def _pyiceberg_catalog_type(site: Installation) -> dict[str, str]:
    catalog = site.settings.catalog
    if catalog.type == "rest":
        return {"type": "rest", "uri": _rest_uri(catalog), **_rest_login(site)}
    address = f"{site.at('postgres')}:{site.ports['postgres']}/{bootstrap.DATABASE}{in_url(site.postgres_tls)}"
    return {
        "type": "sql",
        "uri": f"postgresql+psycopg://engine:{quote(site.secrets['postgres.engine'], safe='')}@{address}",
        "init_catalog_tables": "false",
        "pool_pre_ping": "true",
    }


def publisher_connection(site: Installation) -> str:
    """Return libpq's connection string of the role that publishes; it holds a secret."""
    values = {
        "host": site.at("postgres"),
        "port": str(site.ports["postgres"]),
        "dbname": bootstrap.DATABASE,
        "user": PUBLISHER,
        "password": site.secrets[f"postgres.{PUBLISHER}"],
        **site.postgres_tls,
    }
    quoted = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in values.items()}
    return " ".join(f"{key}='{value}'" for key, value in quoted.items())


def _jdbc_url(site: Installation) -> str:
    address = f"{site.at('postgres')}:{site.ports['postgres']}/{bootstrap.DATABASE}"
    return f"jdbc:postgresql://{address}{in_url(site.postgres_tls)}"


def in_url(options: Mapping[str, str]) -> str:
    """Write options as the end of an address."""
    return f"?{urlencode(options, safe='/')}" if options else ""


def _warehouse(catalog: CatalogSettings) -> str:
    """What engines tell the catalog; some REST catalogs know a warehouse by a name of their own."""
    return (catalog.type == "rest" and catalog.rest_warehouse) or catalog.warehouse


def _rest_login(site: Installation) -> dict[str, str]:
    """The login in Iceberg's own words, which Spark and pyiceberg share; empty for a catalog that asks for none."""
    catalog = site.settings.catalog
    if catalog.token_file:
        return {"token": site.secrets[TOKEN]}
    if not catalog.credential_file:
        return {}
    optional = {"oauth2-server-uri": catalog.oauth2_uri, "scope": catalog.oauth2_scope}
    return {
        "credential": site.secrets[CREDENTIAL],
        **{key: value for key, value in optional.items() if value is not None},
    }


def _rest_uri(catalog: CatalogSettings) -> str:
    if not catalog.uri:
        raise ConfigError(
            'catalog.type is "rest", but catalog.uri is not set.',
            why="an outside Iceberg REST catalog is found by its address only",
            remedy='set `uri = "https://…"` below [catalog] in lakehold.toml, or `type = "jdbc"` for the built-in one',
        )
    return catalog.uri
