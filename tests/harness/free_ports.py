"""Ports for tests' own servers: free now, and not given to anybody else before the server starts."""

from __future__ import annotations

import os
import random
import socket

_FIRST, _LAST = 20_000, 32_000
"""Above the platform's defaults, below what the kernel hands out for outgoing connections."""


def free_ports(count: int) -> list[int]:
    """Return ``count`` TCP ports of this worker's own share that nobody listens on, each another one."""
    found: list[int] = []
    candidates = list(_share())
    random.shuffle(candidates)
    for port in candidates:
        if len(found) == count:
            return found
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    raise RuntimeError(f"there are no {count} free ports between {_FIRST} and {_LAST}")


def _share() -> range:
    """Return the ports of this pytest-xdist worker; all of them when there is only one process."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return range(_FIRST + number, _LAST, workers)
