"""The sinks of one service process: made from its options, each with a worker of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lakehold.lineage.ending import end
from lakehold.lineage.sinks.model import Sink
from lakehold.lineage.sinks.openlineage import OpenLineageSink
from lakehold.lineage.sinks.openmetadata.publisher import OpenMetadataSink
from lakehold.lineage.sinks.settings import SinkOptions
from lakehold.lineage.sinks.worker import Worker


def configured(options: SinkOptions) -> list[Sink]:
    """Return the sinks that the options name; none by default."""
    found: list[Sink] = []
    if options.openlineage is not None:
        found.append(OpenLineageSink(options.openlineage))
    if options.openmetadata is not None:
        found.append(OpenMetadataSink(options.openmetadata))
    return found


class Sinks:
    """Runs the workers as long as the service runs; what they do never keeps an emitter waiting."""

    def __init__(self, database: str, sinks: Sequence[Sink]) -> None:
        self._database = database
        self._sinks = sinks
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to tell."""
        self._tasks = [
            asyncio.create_task(Worker(self._database, sink).run(), name=f"sink-{sink.name}") for sink in self._sinks
        ]

    async def stop(self) -> None:
        """Stop where each one is; what was taken but not written down is told again by the next process."""
        await end(*self._tasks)
