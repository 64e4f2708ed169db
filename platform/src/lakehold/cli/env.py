"""``lakehold env``: what any client needs to connect."""

from __future__ import annotations

import json
import shlex

import click

from lakehold.cli.context import Context
from lakehold.components.model import Site
from lakehold.tables.catalog import access_key, pyiceberg_properties, s3_endpoint

_USERS = ("admin", "engineer", "analyst")


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["sh", "json"]), default="sh", show_default=True, help="Output form."
)
@click.option(
    "--user", type=click.Choice(_USERS), default="engineer", show_default=True, help="Whose Trino login to print."
)
def env(form: str, user: str) -> None:
    """Print addresses and credentials for clients: Trino, psql, S3, pyiceberg, Airflow.

    This is the one verb that shows passwords, on purpose: keep its output out of logs and tickets. All of it is
    also in .lakehold/secrets and .lakehold/tls.

    \b
    Examples:
      eval "$(lakehold env)"              into this shell; then psql, aws s3 ls s3://lakehouse/, any Trino client
      lakehold env --format json          for programs
      lakehold env --user analyst         as one who may read gold only
    """
    values = client_environment(Context().existing_site(), user)
    if form == "json":
        click.echo(json.dumps(values, indent=2))
    else:
        for name, value in values.items():
            click.echo(f"export {name}={shlex.quote(value)}")


def client_environment(site: Site, user: str) -> dict[str, str]:
    """Return variable → value; the names are those the clients themselves read, where they read any."""
    groups = {
        "trino": _trino,
        "postgres": _postgres,
        "objectstore": _s3,
        "airflow": _airflow,
        "lineage": _lineage,
    }
    # Both, so that a shell that goes to another checkout still means this installation.
    values = {"LAKEHOLD_CHECKOUT": str(site.checkout), "LAKEHOLD_STATE": str(site.state)}
    for component, variables in groups.items():
        if component in site.ports:
            values.update(variables(site, user))
    return values


def _trino(site: Site, user: str) -> dict[str, str]:
    return {
        "TRINO_URL": f"https://{site.host}:{site.ports['trino']}",
        "TRINO_HOST": site.host,
        "TRINO_PORT": str(site.ports["trino"]),
        "TRINO_USER": user,
        "TRINO_PASSWORD": site.secrets[f"trino.{user}"],
        "TRINO_CATALOG": site.settings.catalog.name,
        "TRINO_CA": str(site.tls / "ca.pem"),
    }


def _postgres(site: Site, _user: str) -> dict[str, str]:
    return {
        "PGHOST": site.host,
        "PGPORT": str(site.ports["postgres"]),
        "PGUSER": "engine",
        "PGPASSWORD": site.secrets["postgres.engine"],
        "PGDATABASE": "catalog",
    }


def _s3(site: Site, _user: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": s3_endpoint(site),
        "AWS_ACCESS_KEY_ID": access_key(site, "engine"),
        "AWS_SECRET_ACCESS_KEY": site.secrets["s3.engine"],
        "AWS_REGION": site.settings.s3.region,
        "AWS_DEFAULT_REGION": site.settings.s3.region,
        "LAKEHOLD_DELIVERY_ACCESS_KEY_ID": access_key(site, "delivery"),
        "LAKEHOLD_DELIVERY_SECRET_ACCESS_KEY": site.secrets["s3.delivery"],
        **_pyiceberg(site),
    }


def _pyiceberg(site: Site) -> dict[str, str]:
    """Return pyiceberg's catalog as ``PYICEBERG_CATALOG__<NAME>__<KEY>``: ``__`` is a dot and ``_`` a dash.

    Keys with an underscore cannot be said that way; they are tuning and may be left out.
    """
    prefix = f"PYICEBERG_CATALOG__{site.settings.catalog.name.upper()}__"
    return {
        prefix + key.upper().replace("-", "_").replace(".", "__"): value
        for key, value in pyiceberg_properties(site).items()
        if key != "name" and "_" not in key
    }


def _airflow(site: Site, _user: str) -> dict[str, str]:
    return {
        "AIRFLOW_URL": f"http://{site.host}:{site.ports['airflow']}",
        "AIRFLOW_USER": "admin",
        "AIRFLOW_PASSWORD": site.secrets["airflow.admin"],
    }


def _lineage(site: Site, _user: str) -> dict[str, str]:
    return {
        "OPENLINEAGE_URL": f"http://{site.host}:{site.ports['lineage']}",
        "OPENLINEAGE_API_KEY": site.secrets["lineage.token"],
        "OPENLINEAGE_NAMESPACE": "lakehold",
    }
