"""What is checked before anything is started, so that a refusal leaves everything as it was."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from lakehold.components.model import Component, Site
from lakehold.errors import StartError
from lakehold.local import proc
from lakehold.local.launch import recorded_programs
from lakehold.local.plan import Identity
from lakehold.local.ports import can_bind, holder, listeners

MINIMUM_DISK = 64 << 20
"""Bytes that must be free for a start; ``doctor`` warns far earlier."""
_CAP_DAC_READ_SEARCH = 2  # linux/capability.h


def check_disk(state: Path) -> None:
    """Refuse to start on a full disk: databases that cannot write a log record are the harder way to find out."""
    free = shutil.disk_usage(state).free
    if free < MINIMUM_DISK:
        raise StartError(
            f"the disk with {state} is full: {free >> 20} MB are free, {MINIMUM_DISK >> 20} MB are needed to start.",
            remedy="free some space (df -h), then: lakehold up",
        )


def check_ports(site: Site, component: Component) -> None:
    """Refuse a component whose port somebody else listens on; remains of our own are the launcher's to clear away."""
    is_free = can_bind(site.host)
    installation = proc.Installation(site.state, recorded_programs(site.state))
    for name in component.ports:
        key = f"{component.name}.{name}" if name else component.name
        port = site.ports[key]
        if is_free(port) or _is_ours(port, installation):
            continue
        raise StartError(
            f"{component.name} cannot start: port {port} is taken.",
            why=f"{holder(port)} listens on it",
            remedy=f'stop that program, or choose another port in lakehold.toml: [ports] "{key}" = {port + 1000}',
        )


def _is_ours(port: int, installation: proc.Installation) -> bool:
    return any(
        listener.port == port and listener.pid is not None and installation.owner(listener.pid) is not None
        for listener in listeners()
    )


def other_user() -> Identity | None:
    """Return who runs the programs that refuse to run as root; ``None`` when we are not root.

    The state directory is closed to everybody else (0700), and so may be the folders above it and the store. The one
    capability to pass and read such folders lets the program reach its own, which it owns.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise StartError("this machine has no user called nobody.", remedy="run lakehold as a normal user") from error
    if shutil.which("setpriv") is None:
        raise StartError(
            "setpriv is missing, which starts PostgreSQL as another user than root.",
            remedy="apt-get install util-linux, or run lakehold as a normal user",
        )
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    effective = int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)
    if not effective >> _CAP_DAC_READ_SEARCH & 1:
        raise StartError(
            "root may not read other users' files here (CAP_DAC_READ_SEARCH is missing).",
            why="PostgreSQL refuses to run as root, and the user it would run as cannot reach the state directory",
            remedy="run lakehold as a normal user",
        )
    return Identity(user=entry.pw_name, group=str(entry.pw_gid), capabilities=("dac_read_search",))
