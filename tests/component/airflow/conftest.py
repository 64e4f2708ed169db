"""Airflow from its declaration, with the DAGs of `checkout/` in a checkout of its own."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from lakehold.components.airflow import ADMIN
from lakehold.components.airflow_config import url
from lakehold.config.settings import AirflowSettings, Settings
from lakehold.pipelines.client import FINISHED, AirflowClient, Interval, Run, TaskState

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


class Airflow:
    """A running Airflow and what a test asks of it."""

    def __init__(self, lab: Any, checkout: Path) -> None:
        self.lab = lab
        self.checkout = checkout
        self.url = url(lab.site)
        self.password: str = lab.site.secrets["airflow.admin"]
        self.client = AirflowClient(self.url, ADMIN, self.password)
        self._days = (date(2013, 1, 1) + timedelta(days=number) for number in range(300))

    def login(self, password: str) -> httpx.Response:
        """Ask for a token."""
        body = {"username": ADMIN, "password": password}
        return httpx.post(f"{self.url}/auth/token", json=body, timeout=30, trust_env=False)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the REST API as the administrator."""
        token = self.login(self.password).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.request(method, f"{self.url}/api/v2/{path}", json=body, headers=headers, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()

    def start(self, dag_id: str, **conf: object) -> Run:
        """Start a run with a configuration."""
        self.client.wait_for_dag(dag_id)
        entry = self.call("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
        return Run(dag_id=dag_id, run_id=entry["dag_run_id"], state=entry["state"])

    def start_day(self, dag_id: str) -> tuple[Run, Interval]:
        """Start a run of a day no test has used."""
        self.client.wait_for_dag(dag_id)
        day = next(self._days)
        interval = Interval(start=day, end=day + timedelta(days=1))
        return self.client.start(dag_id, interval), interval

    def task(self, run: Run, task_id: str) -> TaskState:
        """One task as it is now."""
        return next(task for task in self.client.tasks(run) if task.task_id == task_id)

    def states(self, run: Run) -> dict[str, str | None]:
        """The state of every task."""
        return {task.task_id: task.state for task in self.client.tasks(run)}

    def until(self, met: Callable[[], object], what: str | Callable[[], str], seconds: float = 90) -> None:
        """Wait until a condition is met."""
        deadline = time.monotonic() + seconds
        while not met():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds} s: {what() if callable(what) else what}")
            time.sleep(0.3)

    def until_state(self, run: Run, task_id: str, *states: str) -> None:
        """Wait until a task is in one of the states."""
        self.until(lambda: self.task(run, task_id).state in states, lambda: f"{task_id} {states}; {self.told(run)}")

    def ended(self, run: Run) -> str:
        """Wait for the end of a run; returns its state."""
        self.until(lambda: self.client.run(run).state in FINISHED, lambda: f"the end; {self.told(run)}", 240)
        return self.client.run(run).state

    def told(self, run: Run) -> str:
        """A run, its tasks and the ends of their logs, for who has to find out what went wrong."""
        lines = [str(self.client.run(run))]
        for task in self.client.tasks(run):
            lines += [f"{task.name}: {task.state}", *(self.client.log(run, task)[-8:] if task.start else [])]
        return "\n".join(lines)

    def log(self, run: Run, task_id: str) -> str:
        """The log of a task's last attempt."""
        return "\n".join(self.client.log(run, self.task(run, task_id)))

    def processes(self) -> list[psutil.Process]:
        """Airflow's four processes and all below them."""
        roots = [psutil.Process(each.pid) for name, each in self.lab.running.items() if name.startswith("airflow")]
        return roots + [child for root in roots for child in root.children(recursive=True)]


_RUNNING = contextlib.ExitStack()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """End Airflow with the last test of this folder: it would slow down all others if it ran on."""
    if nextitem is None or HERE not in nextitem.path.parents:
        _RUNNING.close()


@pytest.fixture(scope="session")
def airflow(new_lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Airflow with PostgreSQL and the object store, for the files of this folder: each has DAGs of its own."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(HERE / "checkout", checkout, dirs_exist_ok=True)
    (checkout / "platform").symlink_to(REPOSITORY / "platform")
    with _RUNNING:
        lab = _RUNNING.enter_context(new_lab(Settings(airflow=AirflowSettings(parallelism=2)), checkout))
        lab.start("objectstore")
        lab.start("airflow")
        yield Airflow(lab, checkout)
