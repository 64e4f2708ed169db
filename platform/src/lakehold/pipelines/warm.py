"""The warm engine: has the engine environment's libraries in memory, and forks a process for each command.

``python -m lakehold.pipelines.warm SOCKET`` in the engine environment. Great Expectations and pyiceberg take three
seconds of CPU to import, more than a gate takes for the rest; imported once, a command has them in milliseconds. A
command's process is as good as one of its own: it has the caller's streams, folder and environment, loads our own code
afresh, and ends with it. Callers (:mod:`lakehold.pipelines.warm_client`) can do without: then commands start as ever.

Each caller gets a monitor, forked from here, which does what :mod:`lakehold.pipelines.guard` does: nothing the command
started outlives it, the caller, or this process. Only the same user is served.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lakehold.pipelines import guard
from lakehold.pipelines.warm_client import ACCEPTED, LENGTH, same_user

_LIBRARIES = ("pyiceberg.catalog.sql", "pyiceberg.io.pyarrow", "psycopg", "requests", "trino.sqlalchemy")
_OURS = "lakehold"
_GRACE_SECONDS = 4.0
_REQUEST_SECONDS = 10.0
_MOST_BYTES = 8 << 20
_LOWEST = 19


@dataclass(frozen=True, kw_only=True)
class Request:
    """A module to run, and how its caller would have run it."""

    module: str
    arguments: list[str]
    folder: str
    environ: Mapping[str, str]
    streams: list[int]


class _Work(BaseException):
    """Carries a forked process out of the server's stack."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


class Server:
    """Serves one socket. ``load`` imports what commands shall find in memory."""

    def __init__(self, path: Path, load: Callable[[], None]) -> None:
        self._path = path
        self._load = load
        self._ready = threading.Event()

    def serve(self) -> None:
        """Serve for ever; only a forked worker leaves it, by :class:`_Work`."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries monitors
        listener = _listening(self._path)
        server = os.getpid()
        # In a thread, because only a thread can be polite for a while: the platform is starting.
        threading.Thread(target=self._prepare, daemon=True).start()
        while True:
            connection, _ = listener.accept()
            with connection:
                if self._ready.is_set() and _forked():
                    listener.close()
                    _monitor(connection, server)

    def _prepare(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)
        try:
            self._load()
        except BaseException:  # noqa: BLE001 - whatever it is: the log says it, and supervisord counts it
            traceback.print_exc()
            os._exit(1)
        gc.collect()
        gc.freeze()
        print("ready", flush=True)  # noqa: T201 - its log
        self._ready.set()


def _forked() -> bool:
    """Fork, and return whether this is the child; a machine that is full must not cost those that run already."""
    try:
        return os.fork() == 0
    except OSError as error:
        print(f"a command has to start by itself: {error}", file=sys.stderr, flush=True)  # noqa: T201 - its log
        return False


def _listening(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.chdir(path.parent)  # a socket's name may have 100 characters, a folder's more
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    listener.bind(path.name)
    os.umask(before)
    listener.listen(16)
    return listener


def _monitor(connection: socket.socket, server: int) -> None:
    """Have the command run by a child, and see to its end; only the child returns, by :class:`_Work`."""
    code = 1
    try:
        guard.prctl(guard.PR_SET_PDEATHSIG, signal.SIGTERM)
        guard.prctl(guard.PR_SET_CHILD_SUBREAPER, 1)
        os.setsid()
        if os.getppid() != server:
            os._exit(1)  # it died before the kernel knew that we care
        request = _receive(connection)
        if request is not None:
            connection.sendall(ACCEPTED)
            code = _supervised(connection, request)
            connection.sendall(LENGTH.pack(code))
    except OSError:
        os._exit(1)  # the caller has gone, and with it what was run for it
    os._exit(0)


def _supervised(connection: socket.socket, request: Request) -> int:
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    monitor = os.getpid()
    worker = os.fork()
    if worker == 0:
        connection.close()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        guard.prctl(guard.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != monitor:
            os._exit(1)
        for each in (ended, wake):
            os.close(each)
        raise _Work(request)
    for stream in request.streams:
        os.close(stream)
    return _outcome(connection, worker, ended)


def _outcome(connection: socket.socket, worker: int, ended: int) -> int:
    """Wait for the worker's end, or for its caller to ask for it; when that or the engine is gone, nobody waits."""
    code, grace = -int(signal.SIGTERM), _GRACE_SECONDS
    while True:
        readable, _, _ = select.select([connection.fileno(), ended], [], [])
        if ended in readable:
            numbers = os.read(ended, 4096)
            found = guard.reap()
            if worker in found:
                code = found[worker]
                break
            if signal.SIGTERM in numbers:
                grace = 0.0
                break
        if connection.fileno() in readable:
            grace = _GRACE_SECONDS if _asked_to_stop(connection) else 0.0
            break
    guard.end_descendants(grace)
    return code if code >= 0 else 128 - code


def _asked_to_stop(connection: socket.socket) -> bool:
    """Whether the caller says something; otherwise it is gone."""
    try:
        return bool(connection.recv(1))
    except OSError:
        return False


def _receive(connection: socket.socket) -> Request | None:
    """Read a request; None when it is not one of ours. Raises :class:`OSError` when the caller goes or takes long."""
    if not same_user(connection):
        return None
    connection.settimeout(_REQUEST_SECONDS)
    streams = array.array("i", bytes(3 * array.array("i").itemsize))
    head, ancillary, _, _ = connection.recvmsg(LENGTH.size, socket.CMSG_SPACE(len(streams.tobytes())))
    received = [data for level, kind, data in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)]
    if len(head) != LENGTH.size or len(received) != 1 or len(received[0]) != len(streams.tobytes()):
        return None
    streams = array.array("i", received[0])
    length = LENGTH.unpack(head)[0]
    text = connection.recv(length, socket.MSG_WAITALL) if length <= _MOST_BYTES else b""
    connection.settimeout(None)
    return Request(**json.loads(text), streams=list(streams)) if len(text) == length else None


def run(request: Request, base: list[str]) -> NoReturn:
    """Be the command, in a process of its own: ``base`` is what its search path has after its folder and its own."""
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environ)
    time.tzset()
    own = [part for part in request.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.path[:] = [request.folder, *own, *base]
    sys.argv[:] = [request.module, *request.arguments]
    at_once = "PYTHONUNBUFFERED" in request.environ
    for output in (sys.stdout, sys.stderr):
        output.reconfigure(write_through=at_once)  # type: ignore[union-attr]  # they are text streams
    _leave(_run(request.module))


def _run(module: str) -> int:
    """Run a module as the program and return its exit code, with Python's own words when it fails."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201 - what Python does
        return 1
    except BaseException:  # noqa: BLE001 - this is the end of the program, whatever it is
        traceback.print_exc()
        return 1
    return 0


def _leave(code: int) -> NoReturn:
    """End in good order, but without taking the libraries apart, which takes longer than many a command."""
    threading._shutdown()  # type: ignore[attr-defined]  # what multiprocessing does: threads end what they do
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)


def load() -> None:
    """Import what gates and the tables' verbs import of others, and nothing of ours."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    importlib.import_module(f"{_OURS}.quality.expectations").great_expectations()
    # A gate has no use for Spark; whoever has can import it.
    if sys.modules.get("pyspark", sys) is None:
        del sys.modules["pyspark"]
    forget_ours()


def forget_ours() -> None:
    """Have a command load our own code from the checkout, as it is then."""
    for name in [name for name in sys.modules if name.partition(".")[0] == _OURS]:
        del sys.modules[name]


def serve(path: Path, load: Callable[[], None]) -> NoReturn:
    """Serve the socket at ``path``; in the process of a command, be that command."""
    own = {str(Path.cwd()), *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    base = [part for part in sys.path if part and part not in own]
    try:
        Server(path, load).serve()
    except _Work as work:
        request = work.request
    run(request, base)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), load)
