"""``lakehold sql``: run a statement on Trino and print its rows."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import click
import requests
import trino
from rich.table import Table
from trino.exceptions import Error as TrinoError
from trino.exceptions import HttpError, TrinoConnectionError, TrinoQueryError

from lakehold.cli.context import ERR, OUT
from lakehold.cli.where import Where, anywhere
from lakehold.components.model import Site
from lakehold.components.trino import USERS
from lakehold.errors import ConfigError, NotRunningError, RunFailedError

_BATCH = 1000
_TABLE_ROWS = 1000
"""Most rows a table shows: its columns are as wide as their widest value, so all rows are held in memory."""


@click.command()
@click.argument("statement")
@anywhere
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--user", default="engineer", show_default=True, help="Trino user: admin, engineer, analyst, …")
@click.option("--schema", default=None, help="Schema for names without one.")
def sql(where: Where, statement: str, form: str, user: str, schema: str | None) -> None:
    """Run a SQL statement on Trino; "-" reads it from standard input. Ctrl-C cancels the query.

    csv and json stream, so they are for large answers; json is one object per line. With --context Trino is reached
    through kubectl port-forward, with the password of its Secret.

    \b
    Examples:
      lakehold sql "show schemas"
      lakehold sql --user analyst "select * from gold.daily_delays limit 10"
      lakehold sql --format csv "select * from silver.flights" > flights.csv
      echo "select 1" | lakehold sql -
      lakehold sql --context prod --namespace lakehold "show schemas"
    """
    text = sys.stdin.read() if statement == "-" else statement
    with where.site("trino") as site, closing(connect(site, user, schema)) as connection:
        cursor = connection.cursor()
        try:
            cursor.execute(text.strip().rstrip(";"))
            _show(cursor, form)
        except KeyboardInterrupt:
            cursor.cancel()
            ERR.print("the query was cancelled.", highlight=False)
            raise
        except TrinoQueryError as error:
            raise RunFailedError(
                f"Trino refused the statement: {_reason(error.failure_info) or error.message}",
                why=f"{error.error_name}, query {error.query_id}",
                remedy=_remedy(error, site, where),
            ) from error
        except (TrinoConnectionError, HttpError, requests.RequestException) as error:
            raise _unreachable(site, error) from error
        except TrinoError as error:
            raise RunFailedError("the statement failed.", why=str(error), remedy="lakehold logs trino") from error


def connect(site: Site, user: str, schema: str | None = None) -> trino.dbapi.Connection:
    """Open a DB-API connection to the installation's Trino, its certificate checked against the installation's CA."""
    if user not in USERS:
        raise ConfigError(f'there is no Trino user "{user}".', why=f"the users are {', '.join(USERS)}")
    session = requests.Session()
    # REQUESTS_CA_BUNDLE and proxy variables in the environment would win over what is set here.
    session.trust_env = False
    session.verify = str(site.tls / "ca.pem")
    connection: trino.dbapi.Connection = trino.dbapi.connect(  # type: ignore[no-untyped-call]  # trino has no types
        host=site.host,
        port=site.ports["trino"],
        user=user,
        auth=trino.auth.BasicAuthentication(user, site.secrets[f"trino.{user}"]),
        http_scheme="https",
        http_session=session,
        catalog=site.settings.catalog.name,
        schema=schema,
        source="lakehold sql",
        max_attempts=3,
    )
    return connection


def _reason(failure: Mapping[str, Any] | None) -> str:
    """Return what the catalog's database said about a table it keeps; Trino has that below its own message."""
    while failure:
        found = re.search(r"lakehold refuses to .*", failure.get("message") or "")
        if found:
            return found[0]
        failure = failure.get("cause")
    return ""


def _remedy(error: TrinoQueryError, site: Site, where: Where) -> str:
    if error.error_name == "PERMISSION_DENIED":
        return "use a user with that right: lakehold sql --user engineer …"
    if where.context:
        # The address it was reached at is gone with this verb.
        return "lakehold logs trino"
    return f"the query in Trino's UI: https://{site.host}:{site.ports['trino']}/ui/query.html?{error.query_id}"


def _unreachable(site: Site, error: Exception) -> NotRunningError:
    return NotRunningError(
        f"Trino does not answer on {site.host}:{site.ports['trino']}.",
        # A web server's error page may carry a whole stack.
        why=str(error)[:500],
        remedy="lakehold up trino",
    )


def _show(cursor: trino.dbapi.Cursor, form: str) -> None:
    names = [column[0] for column in cursor.description or ()]
    rows = _rows(cursor)
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    elif form == "json":
        for row in rows:
            click.echo(json.dumps(dict(zip(names, row, strict=True)), default=str, ensure_ascii=False))
    else:
        _table(names, rows)


def _rows(cursor: trino.dbapi.Cursor) -> Iterator[Sequence[Any]]:
    while batch := cursor.fetchmany(_BATCH):
        yield from batch


def _table(names: list[str], rows: Iterator[Sequence[Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    count = 0
    for row in rows:
        if count == _TABLE_ROWS:
            ERR.print(f"only the first {_TABLE_ROWS} rows are shown; --format csv shows all.", highlight=False)
            break
        table.add_row(*("NULL" if value is None else str(value) for value in row))
        count += 1
    OUT.print(table, markup=False)
    ERR.print(f"{count} row{'' if count == 1 else 's'}", style="dim", highlight=False)
