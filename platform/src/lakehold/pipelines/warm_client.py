"""Run a Python module in the warm engine or, when there is none or it is not ready, as the command it is.

``python -I -S warm_client.py SOCKET PYTHON -m MODULE ARGUMENT…`` behaves as ``PYTHON -m MODULE ARGUMENT…``: the same
streams, folder, environment and exit code. ``warm_client.py --check SOCKET`` says whether there is one.

A file of its own without imports of ours: it starts in 30 ms. What it asks is served by :mod:`lakehold.pipelines.warm`.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

SOCKET = "engine.sock"
"""Name of the warm engine's socket in the folder of run files."""
LENGTH = struct.Struct("!I")
"""How long the request is, and what the exit code is, in the protocol."""
ACCEPTED = b"+"
STOP = b"T"
_PATIENCE = 10.0
"""Most seconds to wait for the engine to accept; a fork takes milliseconds."""
_LOST = 1


def wrapped(work: str, python: str, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs ``arguments`` warm, if they are ``python -m …``; otherwise as they are."""
    if list(arguments[:2]) != [python, "-m"]:
        return list(arguments)
    return [sys.executable, "-I", "-S", __file__, str(Path(work) / SOCKET), *arguments]


def connected(path: Path) -> socket.socket:
    """Connect to the socket at ``path``, however long that is; raises :class:`OSError`."""
    folder = os.open(path.parent, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_PATIENCE)
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    return connection


def same_user(connection: socket.socket) -> bool:
    """Whether whoever is at the other end is the user we are."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", found)[1]) == os.geteuid()


def ask(path: Path, module: str, arguments: Sequence[str]) -> socket.socket | None:
    """Ask for ``module`` to be run with our streams, folder and environment; None when it will not be."""
    request = {"module": module, "arguments": list(arguments), "folder": str(Path.cwd()), "environ": dict(os.environ)}
    text = json.dumps(request).encode()
    try:
        connection = connected(path)
        if not same_user(connection):
            return None
        streams = array.array("i", [0, 1, 2])
        connection.sendmsg([LENGTH.pack(len(text))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
        connection.sendall(text)
        accepted = connection.recv(1) == ACCEPTED
    except OSError:
        return None
    return connection if accepted else None


def outcome(connection: socket.socket) -> int:
    """Wait for the exit code; a SIGTERM or SIGINT is passed on, and waited for."""

    def stop(_number: int, _frame: object) -> None:
        connection.send(STOP)

    connection.settimeout(None)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        answer = connection.recv(LENGTH.size, socket.MSG_WAITALL)
    except OSError:
        answer = b""
    if len(answer) < LENGTH.size:
        sys.stderr.write("the engine that ran this command has ended\n")
        return _LOST
    return int(LENGTH.unpack(answer)[0])


def main(arguments: Sequence[str]) -> int:
    """Run the command of the command line; does not return when it has to run by itself."""
    if arguments[0] == "--check":
        connected(Path(arguments[1])).close()
        return 0
    path, command = Path(arguments[0]), list(arguments[1:])
    connection = ask(path, command[2], command[3:])
    if connection is None:
        os.execv(command[0], command)  # noqa: S606 - an argument list, no shell
    return outcome(connection)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
