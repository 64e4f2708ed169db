"""How background work that is never done is ended."""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 2.0
"""Longer than what is done on the way out takes."""


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until they have ended; what they end with otherwise is logged.

    Once is not enough: a task that waits for PostgreSQL, when that is stopped at the same time, hears that its
    connection is lost instead of that it is cancelled, and goes on.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=_AGAIN_SECONDS)
        for task in done:
            if not task.cancelled() and (problem := task.exception()) is not None:
                log.error("%s ended with an error", task.get_name(), exc_info=problem)
