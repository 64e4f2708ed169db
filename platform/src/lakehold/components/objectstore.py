"""The object store: versitygw over a folder, with one user per engine."""

from __future__ import annotations

from lakehold.components.model import Component, Http, Process, Site, Task
from lakehold.config.settings import BUNDLED_REGION, S3_USERS
from lakehold.tables.catalog import bundled_store

ROOT = "root"
"""Access key of the store's administrator; only the bootstrap uses it."""
USERS = S3_USERS
"""Access keys; ``objectstore_policy`` says what each may do."""


def _server_command(site: Site) -> list[str]:
    data = site.data("objectstore")
    return [
        str(site.artifacts["versitygw"]),
        "--port",
        f"{site.host}:{site.ports['objectstore']}",
        "--region",
        BUNDLED_REGION,
        "--iam-dir",
        str(data / "iam"),
        # Its keys are bytes of earlier requests: after some changes it answers with a secret that has been replaced.
        "--iam-cache-disable",
        "--health",
        "/health",
        "--disable-acl",
        "--quiet",
        "posix",
        "--dir-perms",
        "0700",
        "--file-perms",
        "0600",
        str(data / "buckets"),
    ]


def _environment(site: Site) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(site.data("objectstore")),
        "LANG": "C.UTF-8",
        "ROOT_ACCESS_KEY_ID": ROOT,
        "ROOT_SECRET_ACCESS_KEY": site.secrets["s3.root"],
    }


def _folders_command(site: Site) -> list[str]:
    data = site.data("objectstore")
    return ["/bin/mkdir", "-p", "-m", "0700", str(data / "iam"), str(data / "buckets")]


def _bootstrap_command(site: Site) -> list[str]:
    python = str(site.pythons["lakehold"])
    store = site.settings.s3
    buckets = [store.landing_bucket, store.quarantine_bucket, *([store.logs_bucket] if site.pods else [])]
    where = [bundled_store(site), site.settings.catalog.warehouse, *buckets]
    return [python, "-m", "lakehold.components.objectstore_users", *where]


def _bootstrap_environment(site: Site) -> dict[str, str]:
    return {**_environment(site), **{f"LAKEHOLD_S3_{user.upper()}": site.secrets[f"s3.{user}"] for user in USERS}}


OBJECTSTORE = Component(
    name="objectstore",
    summary="S3 store (versitygw) with a bucket for tables, one for deliveries and one for what is refused",
    artifacts=("versitygw",),
    pythons=("lakehold",),
    ports={"": 17070},
    secrets=("s3.root", *(f"s3.{user}" for user in USERS)),
    owns=("data/objectstore",),
    before=(Task(name="objectstore-folders", command=_folders_command),),
    processes=(
        Process(
            name="objectstore",
            command=_server_command,
            environment=_environment,
            health=lambda site: Http(url=f"http://{site.itself}:{site.ports['objectstore']}/health"),
            memory_mb=150,
        ),
    ),
    after=(
        Task(name="objectstore-users", command=_bootstrap_command, environment=_bootstrap_environment, shared=True),
    ),
)
"""The object store, as one declaration."""
