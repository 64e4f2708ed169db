"""Bring components up: files, tasks and processes in dependency order, as parallel as that allows."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from lakehold.components.model import Component, Process, Site, Task
from lakehold.errors import LakeholdError, StartError
from lakehold.local import diagnosis, proc
from lakehold.local.files import ensure_directory, locked, read_json, write_atomic, write_json
from lakehold.local.health import check
from lakehold.local.launch import Spec, record_path
from lakehold.local.plan import ComponentPlan, needs_other_user, owned_folders, plan_component, select
from lakehold.local.preflight import check_disk, check_ports, other_user
from lakehold.local.progress import Reporter
from lakehold.local.supervisor import Info, Supervisor, render

_EXITS_TO_FAIL = 3
_POLL_SECONDS = 0.2
_TASK_MODULE = "lakehold.local.launch"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What ``up`` did with one component: whether anything had to be started, and how long it took."""

    component: str
    started: bool
    seconds: float


class CancelledError(LakeholdError):
    """The user asked to stop, or another component has failed for good."""


class Runtime:
    """The runtime of one installation. Its methods expect the installation's lock to be held."""

    def __init__(self, site: Site, components: Sequence[Component], reporter: Reporter) -> None:
        self.site = site
        self.components = components
        self.supervisor = Supervisor(site.state)
        self._reporter = reporter
        self._cancel = threading.Event()

    def up(self, names: Iterable[str] = (), *, keep_trying: bool = False) -> list[Outcome]:
        """Bring up the named components and what they need (all without names); what runs well is left alone.

        A component that does not become healthy in time is a :class:`StartError`, after all others that do not need
        it were brought up. It is then stopped, unless ``keep_trying`` leaves it to supervisord.
        """
        chosen = select(self.components, names)
        self._remember([component.name for component in chosen])
        try:
            check_disk(self.site.state)
            plans = self._plan(chosen)
            running = self.supervisor.infos()
            for plan in plans:
                if not any(running[p.name].wanted for p, _ in plan.processes if p.name in running):
                    check_ports(self.site, plan.component)
            everything = [process for component in self.components for process in component.processes]
            if self.supervisor.ensure_running(render(everything, as_root=os.geteuid() == 0)):
                self._reporter.note("supervisord started")
            return self._in_order(plans, keep_trying)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise StartError(
                f"the disk with {self.site.state} is full.", why=str(error), remedy="free some space, then: lakehold up"
            ) from error

    def cancel(self) -> None:
        """Make a running :meth:`up` end soon; what it has started stays."""
        self._cancel.set()

    def _remember(self, names: list[str]) -> None:
        """Note what should be running, for the keeper, and that ``down`` is no longer under way."""
        path = self.site.state / "run" / "wanted.json"
        before = (read_json(path) or {}).get("components", [])
        write_json(path, {"checkout": str(self.site.checkout), "components": sorted({*before, *names})})
        (self.site.state / "run" / "stopping").unlink(missing_ok=True)

    def _plan(self, chosen: Sequence[Component]) -> list[ComponentPlan]:
        identity = other_user() if any(needs_other_user(component) for component in chosen) else None
        certificate = (self.site.tls / "server.pem").read_text(encoding="utf-8")
        return [plan_component(component, self.site, identity, certificate) for component in chosen]

    def _in_order(self, plans: Sequence[ComponentPlan], keep_trying: bool) -> list[Outcome]:
        futures: dict[str, Future[Outcome]] = {}
        ready = threading.Event()

        def one(plan: ComponentPlan) -> Outcome:
            ready.wait()
            for need in plan.component.needs:
                if futures[need].exception() is not None:
                    raise CancelledError(f"{plan.component.name} was not started, because {need} is not up.")
            return _Bringing(self, plan, keep_trying).carry_out()

        with ThreadPoolExecutor(max_workers=max(1, len(plans))) as pool:
            try:
                futures.update({plan.component.name: pool.submit(one, plan) for plan in plans})
                ready.set()
                for _ in as_completed(futures.values()):
                    pass
            except KeyboardInterrupt:
                self.cancel()
                raise
            finally:
                ready.set()
        self._raise_first(futures)
        return [future.result() for future in futures.values()]

    def _raise_first(self, futures: dict[str, Future[Outcome]]) -> None:
        errors = {name: error for name, future in futures.items() if (error := future.exception())}
        real = [error for error in errors.values() if not isinstance(error, CancelledError)]
        if not errors:
            return
        for error in real:
            if not isinstance(error, LakeholdError):
                raise error
        first = real[0] if real else next(iter(errors.values()))
        up = [name for name in futures if name not in errors]
        if isinstance(first, StartError) and up:
            first.why += f"\n          (running and left as they are: {', '.join(up)})"
        raise first

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancel.is_set()

    def report(self) -> Reporter:
        """Where progress goes."""
        return self._reporter


class _Bringing:
    """The bringing-up of one component."""

    def __init__(self, runtime: Runtime, plan: ComponentPlan, keep_trying: bool) -> None:
        self._runtime = runtime
        self._plan = plan
        self._keep_trying = keep_trying
        self._site = runtime.site
        self._supervisor = runtime.supervisor
        self._report = runtime.report()
        self._name = plan.component.name

    def carry_out(self) -> Outcome:
        begin = time.monotonic()
        try:
            started = self._carry_out()
        except BaseException as error:
            self._report.failed(self._name, str(error).splitlines()[0])
            raise
        seconds = time.monotonic() - begin
        well = f"healthy after {seconds:.1f} s" if started else "was running already"
        self._report.done(self._name, well if self._plan.processes else "configured")
        return Outcome(component=self._name, started=started, seconds=seconds)

    def _carry_out(self) -> bool:
        self._write_files()
        infos = self._supervisor.infos()
        stale = [(part, spec) for part, spec in self._plan.processes if not self._current(infos.get(part.name), spec)]
        offsets = {part.name: _size(self._log(part.name)) for part, _spec in self._plan.processes}
        done = self._site.state / "run" / "once" / f"{self._name}.json"
        if stale:
            done.unlink(missing_ok=True)
            self._stop([part for part, _spec in stale if part.name in infos and infos[part.name].wanted])
            for task, spec in self._plan.before:
                self._run_task(task, spec)
            for part, spec in stale:
                self._start(part, spec)
        for part, spec in self._plan.processes:
            self._await_healthy(part, spec, offsets[part.name])
        if (read_json(done) or {}).get("fingerprint") != self._plan.after_fingerprint:
            for task, spec in self._plan.after:
                self._run_task(task, spec)
            write_json(done, {"fingerprint": self._plan.after_fingerprint})
        return bool(stale)

    def _write_files(self) -> None:
        """Write configuration and specs; programs of another user own what is theirs."""
        component, site = self._plan.component, self._site
        for folder in owned_folders(component, site):
            ensure_directory(folder)
        for file in self._plan.files:
            path = site.conf(self._name) / file.path
            ensure_directory(path.parent)
            write_atomic(path, file.text)
        self._remove_stale_files()
        for _part, spec in self._plan.processes:
            write_atomic(site.state / "run" / "spec" / f"{spec.name}.json", spec.dumps())
        specs = [spec for _part, spec in (*self._plan.before, *self._plan.processes, *self._plan.after)]
        user = next((spec.user for spec in specs if spec.user), None)
        if user is not None:
            for folder in owned_folders(component, site):
                _give(folder, user, everything=folder == site.conf(self._name))

    def _remove_stale_files(self) -> None:
        """Remove files an earlier declaration had: a catalog that was renamed must not stay under its old name."""
        path = self._site.state / "run" / "once" / f"{self._name}.files.json"
        declared = {file.path for file in self._plan.files}
        for name in set((read_json(path) or {}).get("files", [])) - declared:
            (self._site.conf(self._name) / name).unlink(missing_ok=True)
        write_json(path, {"files": sorted(declared)})

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
            self._report.phase(self._name, f"stopping {part.name}, its configuration has changed")
            self._supervisor.stop(part.name)

    def _start(self, part: Process, spec: Spec) -> None:
        self._report.phase(self._name, f"starting {part.name}")
        record = record_path(self._site.state, part.name)
        write_json(record, {**(read_json(record) or {}), "starts": 0})
        self._supervisor.start(spec.name)

    def _await_healthy(self, part: Process, spec: Spec, offset: int) -> None:
        deadline = time.monotonic() + part.start_seconds
        health = part.health(self._site)
        seen: set[int] = set()
        reason: str | None = "it has not been checked yet"
        while True:
            info = self._supervisor.info(part.name)
            seen.add(info.started)
            exits = len(seen) if info.state in ("BACKOFF", "EXITED") else len(seen) - 1
            if info.alive:
                reason = check(health, ca=self._site.tls / "ca.pem", environment=spec.environment)
                if reason is None and self._supervisor.info(part.name).pid == info.pid:
                    return
            if info.state in ("FATAL", "STOPPED", "UNKNOWN") or (exits >= _EXITS_TO_FAIL and not self._keep_trying):
                raise self._failure(part, f"its process {part.name} ended {max(exits, 1)} times", reason, offset)
            if time.monotonic() > deadline:
                within = f"its process {part.name} was not healthy within {part.start_seconds} s"
                raise self._failure(part, within, reason, offset)
            if self._runtime.cancelled:
                raise CancelledError(f"{self._name}: waiting for {part.name} was given up.")
            self._report.phase(self._name, f"waiting for {part.name}") if len(seen) == 1 and not reason else None
            time.sleep(_POLL_SECONDS)

    def _failure(self, part: Process, what: str, reason: str | None, offset: int) -> StartError:
        if not self._keep_trying:
            self._supervisor.stop(part.name)
        lines = diagnosis.tail(self._log(part.name), since=offset)
        why = "\n          ".join([reason or "its health check passed, but it ended", *lines])
        free = shutil.disk_usage(self._site.state).free
        advice = diagnosis.remedy(lines, f"lakehold logs {self._name} -n 200, then: lakehold up {self._name}")
        if free < 1 << 20:
            advice = "the disk is full: free some space, then: lakehold up"
        return StartError(f"{self._name} did not start: {what}.", why=why, remedy=advice)

    def _run_task(self, task: Task, spec: Spec) -> None:
        self._report.phase(self._name, task.name)
        path = self._site.state / "run" / "spec" / f"{spec.name}.json"
        write_atomic(path, spec.dumps())
        log = self._log(task.name)
        offset = _size(log)
        _rotate(log)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", _TASK_MODULE, "--once", str(path)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={proc.STATE_VARIABLE: spec.state, proc.PROCESS_VARIABLE: spec.name},
                start_new_session=True,
            )
            failure = self._wait_for_task(process, task, task.stdin(self._site))
        if failure:
            lines = diagnosis.tail(log, since=offset)
            raise StartError(
                f"{self._name} did not start: its task {task.name} {failure}.",
                why="\n          ".join(lines) or "it said nothing",
                remedy=diagnosis.remedy(lines, f"less {log}, then: lakehold up {self._name}"),
            )

    def _wait_for_task(self, process: subprocess.Popen[bytes], task: Task, text: str) -> str | None:
        """Feed and wait for a task; return how it failed."""
        feeder = threading.Thread(target=_feed, args=(process, text.encode()), daemon=True)
        feeder.start()
        deadline = time.monotonic() + task.timeout_seconds
        while True:
            try:
                code = process.wait(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline and not self._runtime.cancelled:
                    continue
                self._end_task(process)
                return (
                    f"took longer than {task.timeout_seconds} s" if not self._runtime.cancelled else "was interrupted"
                )
            return None if code == 0 else f"failed with exit code {code}"

    def _end_task(self, process: subprocess.Popen[bytes]) -> None:
        everything = proc.all_processes()
        below = proc.descendants(process.pid, everything)
        proc.end([seen for seen in everything if seen.pid in below], 15, 3)
        process.wait()

    def _log(self, name: str) -> Path:
        return self._site.state / "logs" / f"{name}.log"


def lock_path(state: Path) -> Path:
    """Return the lock that ``up`` and ``down`` hold."""
    return state / "run" / "lock"


def hold(state: Path, reporter: Reporter) -> AbstractContextManager[None]:
    """Hold the installation's lock; say so while another ``up`` or ``down`` has it."""
    told: list[int | None] = []

    def on_wait(pid: int | None) -> None:
        if not told:
            told.append(pid)
            reporter.note(f"another lakehold command is at work (pid {pid}); waiting for it to finish")

    return locked(lock_path(state), on_wait)


def _feed(process: subprocess.Popen[bytes], text: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(text)
        process.stdin.close()
    except BrokenPipeError:
        return  # the task did not want its input; its exit code tells the rest


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _rotate(path: Path, limit: int = 5 << 20) -> None:
    if _size(path) > limit:
        path.replace(path.with_name(path.name + ".1"))


def _give(folder: Path, user: str, *, everything: bool) -> None:
    """Make ``user`` the owner of a folder: of all in it when asked or when the folder itself was not theirs yet."""
    if not everything and folder.owner() == user:
        return
    entry = pwd.getpwnam(user)
    for root, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(Path(root) / name, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
