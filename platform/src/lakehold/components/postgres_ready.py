"""Exit 0 when a PostgreSQL server accepts log-ins: ``python -m lakehold.components.postgres_ready HOST PORT``.

The server's package has no ``pg_isready``, so this asks as that program does: it begins a log-in and stops at the
question for the password. No secret is needed. Only the standard library is used, because it runs every second while
the platform starts.
"""

from __future__ import annotations

import socket
import struct
import sys

_PROTOCOL_3 = 196608
_STARTING = b"57P03"  # SQLSTATE cannot_connect_now: starting up, shutting down, in recovery


def is_ready(host: str, port: int, *, timeout: float = 3.0) -> bool:
    """Whether the server at ``host:port`` would take a log-in now; ``timeout`` in seconds."""
    body = struct.pack("!i", _PROTOCOL_3) + b"user\0postgres\0database\0postgres\0\0"
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = connection.recv(4096)
    except OSError:
        return False
    return answer[:1] == b"R" or (answer[:1] == b"E" and _STARTING not in answer)


if __name__ == "__main__":
    sys.exit(0 if is_ready(sys.argv[1], int(sys.argv[2])) else 1)
