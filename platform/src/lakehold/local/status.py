"""What runs now: per process its pid, health, address, memory, restarts and time up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lakehold.components.model import Component, Http, Process, Site
from lakehold.local import proc
from lakehold.local.files import read_json
from lakehold.local.health import check
from lakehold.local.launch import load_spec, record_path, recorded_programs
from lakehold.local.supervisor import Info, Supervisor

OVERHEAD = "supervisord"


@dataclass(frozen=True, kw_only=True)
class ProcessStatus:
    """One process; ``health`` is healthy, unhealthy, starting, failed or stopped, and ``reason`` says why.

    ``memory`` is the proportional set size in bytes of the process and everything below it, ``None`` if unknown.
    """

    component: str
    process: str
    pid: int | None
    health: str
    reason: str
    url: str
    memory: int | None
    restarts: int
    uptime: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)


def collect(site: Site, components: Sequence[Component]) -> list[ProcessStatus]:
    """Look at every declared process, all at once; the last entry is supervisord with the keeper."""
    supervisor = Supervisor(site.state)
    infos = supervisor.infos()
    memory = _memory_by_process(site.state, infos)
    pairs = [(component, process) for component in components for process in component.processes]

    def one(pair: tuple[Component, Process]) -> ProcessStatus:
        component, process = pair
        return _status(site, component, process, infos.get(process.name), memory.get(process.name))

    with ThreadPoolExecutor(max_workers=max(1, len(pairs))) as pool:
        result = list(pool.map(one, pairs))
    pid = supervisor.pid()
    result.append(
        ProcessStatus(
            component="runtime",
            process=OVERHEAD,
            pid=pid,
            health="healthy" if pid else "stopped",
            reason="",
            url="",
            memory=memory.get(OVERHEAD),
            restarts=0,
            uptime=None,
        )
    )
    return result


def _status(site: Site, component: Component, process: Process, info: Info | None, memory: int | None) -> ProcessStatus:
    health, reason = "stopped", ""
    if info is not None and info.wanted:
        health, reason = _health(site, process, info)
    elif info is not None and info.state == "FATAL":
        health, reason = "failed", info.spawn_error
    alive = info is not None and info.alive
    record = read_json(record_path(site.state, process.name)) or {}
    return ProcessStatus(
        component=component.name,
        process=process.name,
        pid=info.pid if info and alive else None,
        health=health,
        reason=reason,
        url=address(site, component, process),
        memory=memory if alive else None,
        restarts=max(0, int(record.get("starts", 0)) - 1),
        uptime=int(time.time()) - info.started if info and alive else None,
    )


def _health(site: Site, process: Process, info: Info) -> tuple[str, str]:
    if not info.alive:
        return "failed", f"it ended ({info.spawn_error or info.state}) and will be started again"
    path = site.state / "run" / "spec" / f"{process.name}.json"
    environment = load_spec(path).environment if path.is_file() else {}
    reason = check(process.health(site), ca=site.tls / "ca.pem", environment=environment)
    if reason is None:
        return "healthy", ""
    return ("starting" if time.time() - info.started < process.start_seconds else "unhealthy"), reason


def address(site: Site, component: Component, process: Process) -> str:
    """Return where a client finds the process: its health check's origin, or the port if it is the main one."""
    health = process.health(site)
    if isinstance(health, Http):
        scheme, _, rest = health.url.partition("://")
        return f"{scheme}://{rest.split('/')[0]}"
    port = site.ports.get(component.name) if process is component.processes[0] else None
    return f"{site.host}:{port}" if port else ""


def _memory_by_process(state: Path, infos: Mapping[str, Info]) -> dict[str, int]:
    """Return process name → PSS in bytes of all that belongs to it."""
    everything = proc.all_processes()
    owners = {seen.pid: owner for seen, owner in proc.Installation(state, recorded_programs(state)).members().items()}
    for info in infos.values():
        if info.alive and info.pid and info.name != "keeper":
            owners.update(dict.fromkeys(proc.descendants(info.pid, everything), info.name))
    totals: dict[str, int] = {}
    for pid, owner in owners.items():
        totals[owner] = totals.get(owner, 0) + proportional_memory(pid)
    return totals


def proportional_memory(pid: int) -> int:
    """Return a process's proportional set size in bytes; 0 when it has gone or belongs to somebody else."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
