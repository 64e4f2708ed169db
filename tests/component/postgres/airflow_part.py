"""Run in Airflow's environment: ask by each of its ways to its database whether that is encrypted (JSON on stdin)."""

import asyncio
import json
import sys

import psycopg
from lakehold.pipelines.prepared import connection
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

QUESTION = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


async def ask(address: str) -> bool:
    async with create_async_engine(address).connect() as database:
        return (await database.execute(text(QUESTION))).scalar_one()


def attempt(question: object) -> object:
    try:
        return question()
    except Exception as problem:  # noqa: BLE001 - each of three drivers has its own
        return str(problem)


wanted = json.load(sys.stdin)
found = {
    "psycopg2": attempt(lambda: create_engine(wanted["sync"]).connect().execute(text(QUESTION)).scalar_one()),
    "asyncpg": attempt(lambda: asyncio.run(ask(wanted["async"]))),
    "psycopg": attempt(lambda: psycopg.connect(connection(wanted["file"])).execute(QUESTION).fetchone()[0]),
}
sys.stdout.write(json.dumps(found) + "\n")
