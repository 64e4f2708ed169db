"""Bring one component up: write it, run its tasks, start its processes, and wait until they are healthy."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lakehold.components.model import Health, Http, Process, Site
from lakehold.errors import LakeholdError, StartError
from lakehold.local import diagnosis, proc
from lakehold.local.files import read_json, write_json
from lakehold.local.health import check, patience
from lakehold.local.launch import Spec, record_path
from lakehold.local.materialise import write_plan
from lakehold.local.plan import ComponentPlan
from lakehold.local.ports import holder, listeners
from lakehold.local.progress import Reporter
from lakehold.local.supervisor import Info, Supervisor
from lakehold.local.tasks import run_task

_EXITS_TO_FAIL = 3
_POLL_SECONDS = 0.2
_REPORT_SECONDS = 10.0

Verify = Callable[[str], list[str]]
"""Says what is not as pinned in an artifact; empty when all is well."""


def _answered_by_another(health: Health, pid: int | None) -> str | None:
    """Say who listens on the port of ``health`` when that is not ``pid`` or a process below it."""
    if not isinstance(health, Http) or pid is None:
        return None
    port = urlsplit(health.url).port
    family = proc.descendants(pid, proc.all_processes())
    if port is None or any(listener.pid in family for listener in listeners() if listener.port == port):
        return None
    return f"port {port} is held by {holder(port)}"


class CancelledError(LakeholdError):
    """The user asked to stop, or what a component needs did not come up."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What ``up`` did with one component: whether anything had to be started, and how long it took."""

    component: str
    started: bool
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What bringing a component up works with. ``keep_trying`` leaves a failing process to supervisord."""

    site: Site
    supervisor: Supervisor
    reporter: Reporter
    cancel: threading.Event
    verify: Verify
    keep_trying: bool


class Bringing:
    """The bringing-up of one component."""

    def __init__(self, plan: ComponentPlan, tools: Tools) -> None:
        self._plan = plan
        self._tools = tools
        self._site = tools.site
        self._supervisor = tools.supervisor
        self._report = tools.reporter
        self._name = plan.component.name

    def carry_out(self) -> Outcome:
        """Do it; :class:`StartError` when the component does not become healthy in time."""
        begin = time.monotonic()
        try:
            started = self._carry_out()
        except BaseException as error:
            self._report.failed(self._name, (str(error) or type(error).__name__).splitlines()[0])
            raise
        seconds = time.monotonic() - begin
        well = f"healthy after {seconds:.1f} s" if started else "was running already"
        self._report.done(self._name, well if self._plan.processes else "configured")
        return Outcome(component=self._name, started=started, seconds=seconds)

    def _carry_out(self) -> bool:
        plan, site = self._plan, self._site
        write_plan(plan, site)
        infos = self._supervisor.infos()
        stale = [(part, spec) for part, spec in plan.processes if not self._current(infos.get(part.name), spec)]
        offsets = {part.name: diagnosis.size(self._log(part.name)) for part, _spec in plan.processes}
        done = site.state / "run" / "once" / f"{self._name}.json"
        if stale:
            done.unlink(missing_ok=True)
            self._stop([part for part, _spec in stale if part.name in infos and infos[part.name].wanted])
            self._run_tasks("before")
            for part, _spec in stale:
                self._start(part)
        for part, spec in plan.processes:
            self._await_healthy(part, spec, offsets[part.name])
        if (read_json(done) or {}).get("fingerprint") != plan.after_fingerprint:
            self._run_tasks("after")
            write_json(done, {"fingerprint": plan.after_fingerprint})
        return bool(stale)

    def _run_tasks(self, when: str) -> None:
        for task, spec in self._plan.before if when == "before" else self._plan.after:
            self._report.phase(self._name, task.name)
            run_task(task, spec, task.stdin(self._site), patience=patience(), cancelled=self._tools.cancel.is_set)

    def _current(self, info: Info | None, spec: Spec) -> bool:
        """Whether the process runs, and as it would be started now."""
        record = read_json(record_path(self._site.state, spec.name)) or {}
        return (
            info is not None
            and info.alive
            and record.get("pid") == info.pid
            and record.get("fingerprint") == spec.fingerprint
        )

    def _stop(self, parts: Sequence[Process]) -> None:
        for part in parts:
            self._report.phase(self._name, f"stopping {part.name} to start it anew")
            self._supervisor.stop(part.name)

    def _start(self, part: Process) -> None:
        self._report.phase(self._name, f"starting {part.name}")
        record = record_path(self._site.state, part.name)
        write_json(record, {**(read_json(record) or {}), "starts": 0})
        self._supervisor.start(part.name)

    def _await_healthy(self, part: Process, spec: Spec, offset: int) -> None:
        begin = reported = time.monotonic()
        health = part.health(self._site)
        starts: set[int] = set()
        reason = "it has not answered yet"
        while True:
            info = self._supervisor.info(part.name)
            starts.add(info.started)
            exits = len(starts) - (1 if info.alive else 0)
            if info.alive:
                found = check(health, ca=self._site.tls / "ca.pem", environment=spec.environment)
                found = found or _answered_by_another(health, info.pid)
                if found is None and self._supervisor.info(part.name).pid == info.pid:
                    return
                reason = found or "it ended while it was being checked"
            limit = part.start_seconds * patience()
            if info.state in ("FATAL", "STOPPED", "UNKNOWN") or (
                exits >= _EXITS_TO_FAIL and not self._tools.keep_trying
            ):
                times = "once" if exits < 2 else f"{exits} times"
                raise self._failure(part, f"its process {part.name} ended {times}", "it ended by itself", offset)
            if time.monotonic() - begin > limit:
                raise self._failure(
                    part, f"its process {part.name} was not healthy within {limit:.0f} s", reason, offset
                )
            if self._tools.cancel.is_set():
                raise CancelledError(f"{self._name}: the wait for {part.name} was given up.")
            if time.monotonic() - reported > _REPORT_SECONDS:
                reported = time.monotonic()
                self._report.phase(self._name, f"waiting for {part.name}: {reason}")
            time.sleep(_POLL_SECONDS)

    def _failure(self, part: Process, what: str, reason: str, offset: int) -> StartError:
        if not self._tools.keep_trying:
            self._supervisor.stop(part.name)
        lines = diagnosis.tail(self._log(part.name), since=offset)
        tampered = [f"{pin}: {text}" for pin in self._plan.component.artifacts for text in self._tools.verify(pin)]
        advice = diagnosis.remedy(lines, f"lakehold logs {part.name} -n 200, then: lakehold up {self._name}")
        if tampered:
            pins = dict.fromkeys(text.split(":")[0] for text in tampered)
            advice = f"lakehold pins fetch --again {' '.join(pins)}, then: lakehold up {self._name}"
        elif shutil.disk_usage(self._site.state).free < 1 << 20:
            advice = f"the disk is full: free some space, then: lakehold up {self._name}"
        shown = [*([] if not tampered else ["artifacts are not as pinned:", *tampered[:5]]), reason, *lines]
        return StartError(f"{self._name} did not start: {what}.", why="\n          ".join(shown), remedy=advice)

    def _log(self, name: str) -> Path:
        return self._site.state / "logs" / f"{name}.log"
