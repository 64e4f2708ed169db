"""Make the graph behind the receiver: ``python -m lakehold.lineage.graph.worker``, a child of the lineage service.

It is a process of its own, at a lower priority, because reading statements is work for the processor and a receiver
that shared its interpreter would make emitters wait. It ends with its parent, whose hold on its input ends then; each
line there says that events were committed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from lakehold.errors import LakeholdError
from lakehold.lineage import options
from lakehold.lineage.catalog.reader import Reader
from lakehold.lineage.ending import end
from lakehold.lineage.graph import derive, policy, take
from lakehold.lineage.graph.arrivals import Arrivals, newest
from lakehold.lineage.graph.readings import SqlReader
from lakehold.lineage.serving import serving
from lakehold.lineage.sinks.group import Sinks, configured

_NICE = 10
_EVENTS = 500
_RUNS = 50
_PAUSE_SECONDS = 0.1
"""Between rounds, so that a stream of events is worked in by large steps."""
_MOST_PAUSE_SECONDS = 1.0
_STAND_BACK_SECONDS = 1.0
_LOOK_SECONDS = 5.0
"""How often to look for what other processes received or queued."""


class Worker:
    """Works in what is there, then waits to be told of more."""

    def __init__(self, database: str, catalog: str, keep: policy.Policy) -> None:
        self._database = database
        self._sql = SqlReader(catalog)
        self._keep = policy.Keeper(keep)
        self._arrivals = Arrivals()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Say that there are events."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; outlives PostgreSQL."""
        await serving(self._database, "graph", self._serve)

    async def _serve(self, connection: AsyncConnection[TupleRow]) -> None:
        while True:
            self._wake.clear()
            # There may be more and more events; what is old must go all the same.
            while await self._round(connection):
                await self._keep.apply(connection)
            await self._keep.apply(connection)
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                await asyncio.wait_for(self._wake.wait(), _LOOK_SECONDS)
            except TimeoutError:
                continue

    async def _round(self, connection: AsyncConnection[TupleRow]) -> bool:
        """Do some work, unless events come first; return whether there may be more."""
        if await self._arrivals.come_first(connection):
            await asyncio.sleep(_STAND_BACK_SECONDS)
            return True
        return await drain_once(connection, self._sql)


async def drain(connection: AsyncConnection[TupleRow], sql: SqlReader) -> None:
    """Work in all events and derive all runs that are due."""
    while await drain_once(connection, sql):
        pass


async def drain_once(connection: AsyncConnection[TupleRow], sql: SqlReader) -> bool:
    """Work in some events and derive some runs, if there are any; by halves of the time while more events arrive."""
    before, began = await newest(connection), time.monotonic()
    taken = await take.step(connection, sql.catalog, _EVENTS)
    derived = await derive.step(connection, sql, _RUNS)
    if not taken and not derived:
        return False
    if before != await newest(connection):
        # PostgreSQL's own work for this has no lower priority, and emitters wait for theirs.
        await asyncio.sleep(min(time.monotonic() - began, _MOST_PAUSE_SECONDS))
    return True


async def _serve_parent(worker: Worker, reader: Reader | None, sinks: Sinks) -> None:
    """Work until the parent is gone."""
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    work = [asyncio.create_task(worker.run(), name="graph2")]
    if reader is not None:
        work.append(asyncio.create_task(reader.run(), name="catalog"))
    sinks.start()
    parent = asyncio.create_task(_follow(orders, worker), name="parent")
    await asyncio.wait({parent, *work}, return_when=asyncio.FIRST_COMPLETED)
    broken = [task for task in work if task.done()]
    await sinks.stop()
    await end(parent, *work)
    for task in broken:
        # Neither ends by itself: this process does, with the reason, and the service starts another.
        task.result()


async def _follow(orders: asyncio.StreamReader, worker: Worker) -> None:
    while await orders.read(4096):
        worker.wake()


def main() -> int:
    """Run from the service; settings come from the environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(_NICE)
    try:
        worker = Worker(options.database(), options.catalog(), policy.load())
        source = options.source()
        sinks = Sinks(options.database(), configured(options.load_sinks()))
    except LakeholdError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    asyncio.run(_serve_parent(worker, Reader(options.database(), source, worker.wake) if source else None, sinks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
