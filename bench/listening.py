"""Who listens on a port: the process that a benchmark measures, or kills."""

from __future__ import annotations

import psutil


def listener(port: int) -> psutil.Process | None:
    """Return the process that listens on this TCP port; None while there is none that can be seen."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    return None


def service(port: int) -> psutil.Process:
    """Return the process that listens on this port; ends the benchmark when there is none."""
    found = listener(port)
    if found is None:
        raise SystemExit(f"nothing listens on port {port}")
    return found
