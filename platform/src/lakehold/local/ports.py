"""Which TCP port each component gets: fixed by the user, kept from before, the default, or a free one nearby."""

from __future__ import annotations

import difflib
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import psutil

from lakehold.components.model import Component
from lakehold.errors import ConfigError
from lakehold.local import proc

_TRIES = 200


def declared_ports(components: Iterable[Component]) -> dict[str, int]:
    """Return port key (``trino``, ``airflow.log``) → default."""
    return {
        f"{component.name}.{name}" if name else component.name: default
        for component in components
        for name, default in component.ports.items()
    }


def choose_ports(
    defaults: Mapping[str, int],
    *,
    fixed: Mapping[str, int],
    kept: Mapping[str, int],
    is_free: Callable[[int], bool],
) -> dict[str, int]:
    """Return a port for every key: ``fixed`` wins, then ``kept``; a new one is its default or the next free port.

    Raises :class:`ConfigError` for a fixed port nobody declared, or one given twice.
    """
    for key in fixed:
        if key not in defaults:
            close = difflib.get_close_matches(key, defaults, n=1, cutoff=0.5)
            hint = f'did you mean "{close[0]}"?' if close else f"known: {', '.join(defaults)}"
            raise ConfigError(f"ports.{key}: unknown port, {hint}", remedy="edit [ports] in lakehold.toml")
    chosen = {key: fixed.get(key, kept.get(key)) for key in defaults}
    taken = [port for port in chosen.values() if port is not None]
    for key, port in fixed.items():
        if taken.count(port) > 1:
            others = [other for other, number in chosen.items() if number == port and other != key]
            raise ConfigError(
                f"ports.{key} = {port} is the port of {', '.join(others)} already.",
                remedy="give each its own port under [ports] in lakehold.toml",
            )
    result: dict[str, int] = {}
    for key, default in defaults.items():
        known = chosen[key]
        result[key] = known if known is not None else _next_free(default, {*taken, *result.values()}, is_free)
    return result


def _next_free(default: int, taken: set[int], is_free: Callable[[int], bool]) -> int:
    for port in range(default, min(default + _TRIES, 65536)):
        if port not in taken and is_free(port):
            return port
    raise ConfigError(
        f"no free port between {default} and {default + _TRIES}.", remedy="fix one under [ports] in lakehold.toml"
    )


def can_bind(host: str) -> Callable[[int], bool]:
    """Return a check whether a server could listen on a port of ``host`` now."""

    def is_free(port: int) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind((host, port))
                server.listen(1)
            except OSError:
                return False
        return True

    return is_free


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket; ``pid`` is None when it belongs to somebody we may not look at."""

    address: str
    port: int
    pid: int | None


def listeners() -> list[Listener]:
    """Return every TCP listener of this machine, as far as this user may see."""
    return [
        Listener(address=connection.laddr[0], port=connection.laddr[1], pid=connection.pid)
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    ]


def holder(port: int) -> str:
    """Say who listens on ``port``, as far as this user may see it."""
    pid = next((listener.pid for listener in listeners() if listener.port == port and listener.pid), None)
    if pid is None:
        return "a process of another user"
    state, process = proc.markers(pid)
    if state and process:
        return f"{process} of the Lakehold installation in {state} (pid {pid})"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.NoSuchProcess:
        return f"a process that has just ended (pid {pid})"
