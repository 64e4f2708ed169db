"""Reach Services of a cluster from this machine: ``kubectl port-forward``, started again whenever it ends.

A forward ends when its pod does, and some versions of kubectl end it when a connection is cut: the port of this machine
stays the same, so whoever tries again is served again.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lakehold.cluster.commands import Cluster, forward
from lakehold.errors import NotRunningError

_SAYS = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")
_START_SECONDS = 30.0
_PAUSE = 1.0


class Tunnel:
    """One Service's port, reachable at ``127.0.0.1:<port>`` until it is closed."""

    def __init__(self, cluster: Cluster, service: str, port: int) -> None:
        self._cluster, self._service, self._target = cluster, service, port
        self._closed = threading.Event()
        self._open = threading.Event()
        self._said = ""
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"tunnel to {service}")

    def open(self) -> None:
        """Wait until it is there; :class:`NotRunningError` with what kubectl said when it does not come."""
        self._thread.start()
        if self._open.wait(_START_SECONDS) and self.port:
            return
        self.close()
        raise NotRunningError(
            f"{self._service} cannot be reached.",
            why=self._said.strip()[-500:] or f"kubectl said nothing within {_START_SECONDS:.0f} s",
            remedy=f"lakehold status {self._cluster.options}",
        )

    def close(self) -> None:
        """End it."""
        self._closed.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=10)

    def _keep(self) -> None:
        while not self._closed.is_set():
            self._run()
            if not self.port:
                # It never worked: somebody waits to hear why.
                self._open.set()
                return
            self._closed.wait(_PAUSE)

    def _run(self) -> None:
        command = forward(self._cluster, self._service, self._target, self.port)
        # Standard input closed: it must not read what is typed, or piped, for somebody else.
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            self._process = process
            if self._closed.is_set():
                process.terminate()
            for line in process.stdout or ():
                if found := _SAYS.search(line):
                    self.port = int(found[1])
                    self._open.set()
                else:
                    self._said = (self._said + line)[-2000:]


@contextmanager
def tunnels(cluster: Cluster, services: Mapping[str, tuple[str, int]]) -> Iterator[dict[str, int]]:
    """Reach several Services at once: name → (Service, port) in, name → port of this machine out."""
    made = {name: Tunnel(cluster, service, port) for name, (service, port) in services.items()}
    opened: list[Tunnel] = []
    try:
        for one in made.values():
            opened.append(one)
            one.open()
        yield {name: one.port for name, one in made.items()}
    finally:
        for one in opened:
            one.close()
