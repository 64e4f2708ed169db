"""The service's side of the worker: start it, wake it, and start it again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time

from lakehold.lineage import options

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 1.0
_MOST_AGAIN_SECONDS = 60.0
_LIVED_SECONDS = 60.0
"""Who worked for so long is started again at once; who ends sooner than that, later each time."""
_STOP_SECONDS = 5.0


class GraphProcess:
    """Keeps one worker running for as long as the service does."""

    def __init__(self, database: str, catalog: str) -> None:
        self._environment = {**os.environ, options.DATABASE: database, options.CATALOG: catalog}
        self._process: asyncio.subprocess.Process | None = None

    def wake(self) -> None:
        """Say that the stage before has something for it."""
        orders = self._process.stdin if self._process is not None else None
        # A worker that is busy does not read; a byte that waits is enough to have it look again.
        if orders is not None and not orders.is_closing() and orders.transport.get_write_buffer_size() == 0:
            orders.write(b"\n")

    async def run(self) -> None:
        """Run the worker until cancelled."""
        seconds = _AGAIN_SECONDS
        try:
            while True:
                began = time.monotonic()
                await self._run_once()
                lived = time.monotonic() - began
                seconds = _AGAIN_SECONDS if lived > _LIVED_SECONDS else seconds
                await asyncio.sleep(seconds)
                seconds = min(2 * seconds, _MOST_AGAIN_SECONDS)
        finally:
            await self._stop()

    async def _run_once(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "lakehold.lineage.graph.worker",
                stdin=asyncio.subprocess.PIPE,
                env=self._environment,
            )
        except OSError as problem:
            log.warning("the graph's worker cannot be started, which is tried again: %s", problem)
            return
        code = await self._process.wait()
        log.warning("the graph's worker ended with %s and is started again", code)

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        # What it is at is one transaction, which is done or is not.
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
