"""Examine an installation: each finding says what was looked at, whether it is well, and how to mend it."""

from __future__ import annotations

import datetime as dt
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from lakehold.components import certificates
from lakehold.components.model import Component, Site
from lakehold.errors import Finding, LakeholdError
from lakehold.local import proc, tls
from lakehold.local.launch import recorded_programs
from lakehold.local.ports import can_bind, holder, listeners
from lakehold.local.preflight import other_user
from lakehold.local.status import ProcessStatus, collect

_DISK_WARN = 5 << 30
_FILES_WANTED = 4096
"""Trino and PostgreSQL together hold a few hundred; a burst of Parquet files a few thousand."""
_CLOCK_FLOOR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""Before this code was written: certificates and S3 signatures would be refused."""


def examine(site: Site, components: Sequence[Component]) -> list[Finding]:
    """Look at everything; never raises for something that is wrong, but reports it."""
    statuses = collect(site, components)
    checks: list[Callable[[], list[Finding]]] = [
        lambda: check_disk(site.state),
        lambda: check_memory(components, statuses),
        check_files,
        check_clock,
        lambda: check_artifacts(site, components),
        lambda: check_java(site, components),
        lambda: check_user(components),
        lambda: check_modes(site),
        lambda: check_certificate(site),
        lambda: check_sinks(site),
        lambda: check_ports(site, components, statuses),
        lambda: check_listeners(site),
        lambda: check_services(statuses),
    ]
    return [finding for check in checks for finding in check()]


def check_disk(state: Path) -> list[Finding]:
    """Look whether there is room to write."""
    free = shutil.disk_usage(state).free
    text = f"{free / 1e9:.1f} GB free below {state}"
    if free < _DISK_WARN:
        return [
            Finding(subject="disk", level="warning", text=text, remedy="free some space: 5 GB and more is comfortable")
        ]
    return [Finding(subject="disk", level="ok", text=text)]


def check_memory(components: Sequence[Component], statuses: Sequence[ProcessStatus]) -> list[Finding]:
    """Look whether there is memory for what is not running yet."""
    running = {status.process for status in statuses if status.pid}
    wanted = sum(p.memory_mb for part in components for p in part.processes if p.name not in running)
    available = psutil.virtual_memory().available >> 20
    text = f"{available} MB available, {wanted} MB wanted by what is not running"
    if available < wanted:
        advice = "stop other programs, or lower [trino] heap in lakehold.toml"
        return [Finding(subject="memory", level="warning", text=text, remedy=advice)]
    return [Finding(subject="memory", level="ok", text=text)]


def check_files() -> list[Finding]:
    """Look whether a process may open enough files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _FILES_WANTED:
        advice = f"ulimit -n {min(hard, 65536)} before lakehold up"
        return [Finding(subject="file limit", level="warning", text=f"{soft} open files per process", remedy=advice)]
    return [Finding(subject="file limit", level="ok", text=f"{soft} open files per process")]


def check_clock() -> list[Finding]:
    """Look whether the clock is plausible."""
    now = dt.datetime.now(dt.UTC)
    if now < _CLOCK_FLOOR:
        return [
            Finding(subject="clock", level="problem", text=f"it is {now:%Y-%m-%d} here", remedy="set the clock (NTP)")
        ]
    return [Finding(subject="clock", level="ok", text=f"{now:%Y-%m-%d %H:%M:%S} UTC")]


def check_artifacts(site: Site, components: Sequence[Component]) -> list[Finding]:
    """Look whether everything is unpacked that the components need."""
    missing: list[str] = []
    for pin in dict.fromkeys(pin for part in components for pin in part.artifacts):
        missing.extend(_missing(lambda pin=pin: site.artifacts[pin], pin))  # type: ignore[misc]  # bound per turn
    for env in dict.fromkeys(env for part in components for env in part.pythons):
        missing.extend(_missing(lambda env=env: site.pythons[env], env))  # type: ignore[misc]  # bound per turn
    if missing:
        advice = "lakehold up fetches them (or: lakehold pins fetch)"
        return [Finding(subject="artifacts", level="problem", text=f"missing: {', '.join(missing)}", remedy=advice)]
    return [Finding(subject="artifacts", level="ok", text="everything pinned is in the store")]


def _missing(find: Callable[[], Path], name: str) -> list[str]:
    try:
        return [] if find().exists() else [name]
    except LakeholdError:
        return [name]


def check_java(site: Site, components: Sequence[Component]) -> list[Finding]:
    """Look whether the Java runtimes of the store run."""
    findings = []
    for pin in dict.fromkeys(pin for part in components for pin in part.artifacts if pin.startswith("jdk-")):
        if _missing(lambda pin=pin: site.artifacts[pin], pin):  # type: ignore[misc]  # bound per turn
            continue
        result = subprocess.run(
            [str(site.artifacts[pin] / "bin" / "java"), "-version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        said = (result.stderr or result.stdout).strip().splitlines()
        well = result.returncode == 0 and any(f'"{pin.removeprefix("jdk-")}.' in line for line in said)
        findings.append(
            Finding(
                subject=pin,
                level="ok" if well else "problem",
                text=said[0] if said else f"exit code {result.returncode}",
                remedy="" if well else f"lakehold pins verify {pin}",
            )
        )
    return findings


def check_user(components: Sequence[Component]) -> list[Finding]:
    """Look whether root can start PostgreSQL as somebody else."""
    if os.geteuid() != 0:
        return [Finding(subject="user", level="ok", text=f"uid {os.geteuid()}")]
    try:
        other_user()
    except LakeholdError as error:
        return [Finding(subject="user", level="problem", text=error.what, remedy=error.remedy)]
    names = [p.name for part in components for p in part.processes if p.unprivileged]
    return [Finding(subject="user", level="ok", text=f"root; {', '.join(names) or 'nothing'} runs as nobody")]


def check_modes(site: Site) -> list[Finding]:
    """Look whether the state directory, secrets, keys and configuration are closed to others."""
    wide = [path for path in [site.state] if path.stat().st_mode & 0o077]
    for folder in ("secrets", "tls", "conf", "run/spec"):
        top = site.state / folder
        wide.extend(path for path in (top, *top.rglob("*")) if not path.is_symlink() and path.stat().st_mode & 0o077)
    if wide:
        shown = ", ".join(str(path.relative_to(site.state)) for path in wide[:5])
        advice = f"chmod -R go= {site.state}"
        return [Finding(subject="modes", level="problem", text=f"others may reach: {shown}", remedy=advice)]
    return [Finding(subject="modes", level="ok", text="secrets, keys and configuration are the owner's only")]


def check_certificate(site: Site) -> list[Finding]:
    """Look whether the server certificate is good for some time."""
    end = tls.expiry(site.tls)
    days = (end - dt.datetime.now(dt.UTC)).days if end else 0
    if days < certificates.RENEW_DAYS:
        return [
            Finding(
                subject="certificate",
                level="warning" if days > 0 else "problem",
                text=f"ends in {days} days",
                remedy="lakehold up",
            )
        ]
    return [Finding(subject="certificate", level="ok", text=f"good for {days} days")]


def check_sinks(site: Site) -> list[Finding]:
    """Look whether those who are told of lineage can be told, and whether their tokens stay secret on the way."""
    found = []
    for name, sink in (("openlineage", site.settings.openlineage), ("openmetadata", site.settings.openmetadata)):
        if sink.url is None:
            continue
        try:
            token = site.secrets.get(f"{name}.token")
        except LakeholdError as problem:
            found.append(Finding(subject=name, level="problem", text=problem.what, remedy=problem.remedy))
            continue
        address = urlsplit(sink.url)
        if token and address.scheme == "http" and not _is_loopback(address.hostname or "", site.host):
            text = f"its token goes over the network as it is: {sink.url}"
            found.append(Finding(subject=name, level="warning", text=text, remedy=f"set {name}.url to https://…"))
        else:
            found.append(Finding(subject=name, level="ok", text=f"told at {sink.url}"))
    return found


def check_ports(site: Site, components: Sequence[Component], statuses: Sequence[ProcessStatus]) -> list[Finding]:
    """Look whether somebody else holds a port that a stopped component will want."""
    running = {status.component for status in statuses if status.pid}
    is_free = can_bind(site.host)
    findings = []
    for component in components:
        if component.name in running:
            continue
        for name in component.ports:
            key = f"{component.name}.{name}" if name else component.name
            if not is_free(site.ports[key]):
                findings.append(
                    Finding(
                        subject=f"port {site.ports[key]}",
                        level="problem",
                        text=f"wanted by {key}, held by {holder(site.ports[key])}",
                        remedy=f'stop it, or set another: [ports] "{key}" = … in lakehold.toml',
                    )
                )
    return findings or [Finding(subject="ports", level="ok", text="none is held by somebody else")]


def check_listeners(site: Site) -> list[Finding]:
    """Look whether one of our processes listens off loopback."""
    installation = proc.Installation(site.state, recorded_programs(site.state))
    ours = {seen.pid: owner for seen, owner in installation.members().items()}
    open_to_all = sorted(
        {
            f"{ours[listener.pid] or 'process'} on {listener.address}:{listener.port}"
            for listener in listeners()
            if listener.pid in ours and not _is_loopback(listener.address, site.host)
        }
    )
    if open_to_all:
        text, advice = f"reachable from outside: {', '.join(open_to_all)}", 'set bind = "127.0.0.1" and: lakehold up'
        return [Finding(subject="listeners", level="problem", text=text, remedy=advice)]
    return [Finding(subject="listeners", level="ok", text=f"all of them on {site.host}")]


def _is_loopback(address: str, bind: str) -> bool:
    return address == bind or address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")


def check_services(statuses: Sequence[ProcessStatus]) -> list[Finding]:
    """Look whether each process is healthy."""
    findings = []
    for status in statuses:
        level = {"healthy": "ok", "starting": "warning", "stopped": "warning"}.get(status.health, "problem")
        remedy = (
            "" if level == "ok" else "lakehold up" if status.health == "stopped" else f"lakehold logs {status.process}"
        )
        text = status.health + (f": {status.reason}" if status.reason else "")
        findings.append(Finding(subject=status.process, level=level, text=text, remedy=remedy))
    return findings
