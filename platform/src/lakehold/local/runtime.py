"""Bring components up in dependency order, as parallel as that allows."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from pathlib import Path

from lakehold.components.model import Component, Site
from lakehold.errors import LakeholdError, StartError
from lakehold.local.bringing import Bringing, CancelledError, Outcome, Tools, Verify
from lakehold.local.files import locked, read_json, write_json
from lakehold.local.plan import ComponentPlan, needs_other_user, plan_component, select
from lakehold.local.preflight import check_disk, check_ports, other_user
from lakehold.local.progress import Reporter
from lakehold.local.supervisor import Supervisor, render


class Runtime:
    """The runtime of one installation; whoever uses it holds the installation's lock (:func:`hold`)."""

    def __init__(
        self,
        site: Site,
        components: Sequence[Component],
        reporter: Reporter,
        verify: Verify = lambda _pin: [],
    ) -> None:
        self.site = site
        self.components = components
        self.supervisor = Supervisor(site.state)
        self._reporter = reporter
        self._verify = verify
        self._cancel = threading.Event()

    def up(self, names: Iterable[str] = (), *, keep_trying: bool = False) -> list[Outcome]:
        """Bring up the named components and what they need (all without names); what runs well is left alone.

        A component that does not become healthy in time is a :class:`StartError`, raised when all that do not need it
        are up. It is stopped then, unless ``keep_trying`` leaves it to supervisord; the rest stays as it is.
        """
        chosen = select(self.components, names)
        try:
            self._preflight(chosen)
            plans = self._plan(chosen)
            self._remember([component.name for component in chosen])
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

    def _preflight(self, chosen: Sequence[Component]) -> None:
        """Refuse what cannot work before anything is changed."""
        check_disk(self.site.state)
        running = {name for name, info in self.supervisor.infos().items() if info.wanted}
        for component in chosen:
            if not running & {process.name for process in component.processes}:
                check_ports(self.site, component)

    def _plan(self, chosen: Sequence[Component]) -> list[ComponentPlan]:
        identity = other_user() if any(needs_other_user(component) for component in chosen) else None
        certificate = (self.site.tls / "server.pem").read_text(encoding="utf-8")
        return [plan_component(component, self.site, identity, certificate) for component in chosen]

    def _remember(self, names: list[str]) -> None:
        """Note what should be running, for the keeper, and that no ``down`` is under way."""
        path = self.site.state / "run" / "wanted.json"
        before = (read_json(path) or {}).get("components", [])
        write_json(path, {"checkout": str(self.site.checkout), "components": sorted({*before, *names})})
        (self.site.state / "run" / "stopping").unlink(missing_ok=True)

    def _in_order(self, plans: Sequence[ComponentPlan], keep_trying: bool) -> list[Outcome]:
        futures: dict[str, Future[Outcome]] = {}
        ready = threading.Event()
        tools = Tools(
            site=self.site,
            supervisor=self.supervisor,
            reporter=self._reporter,
            cancel=self._cancel,
            verify=self._verify,
            keep_trying=keep_trying,
        )

        def one(plan: ComponentPlan) -> Outcome:
            ready.wait()
            for need in plan.component.needs:
                if futures[need].exception() is not None:
                    self._reporter.failed(plan.component.name, f"not started: {need} is not up")
                    raise CancelledError(f"{plan.component.name} was not started, because {need} is not up.")
            return Bringing(plan, tools).carry_out()

        with ThreadPoolExecutor(max_workers=max(1, len(plans))) as pool:
            try:
                futures.update({plan.component.name: pool.submit(one, plan) for plan in plans})
                ready.set()
                for _ in as_completed(futures.values()):
                    pass
            except KeyboardInterrupt:
                self._cancel.set()
                raise
            finally:
                ready.set()
        _raise_first(futures)
        return [future.result() for future in futures.values()]


def _raise_first(futures: dict[str, Future[Outcome]]) -> None:
    """Raise the error that made the others: one of our own mistakes before a start that failed before a wait for it."""
    errors = {name: error for name, future in futures.items() if (error := future.exception())}
    if not errors:
        return
    ranked = sorted(
        errors.values(), key=lambda error: (isinstance(error, LakeholdError), isinstance(error, CancelledError))
    )
    up = [name for name in futures if name not in errors]
    if isinstance(ranked[0], StartError) and up:
        ranked[0].why += f"\n          running, and left as they are: {', '.join(up)}"
    raise ranked[0]


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
