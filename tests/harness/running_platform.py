"""A running platform, driven by tests as a user drives it: by the ``lakehold`` command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from lakehold.cli.sql import connect
from lakehold.components.model import Site
from lakehold.components.registry import COMPONENTS
from lakehold.config.loader import load_settings
from lakehold.errors import NotRunningError
from lakehold.local.site import load_site
from lakehold.local.status import ProcessStatus, collect
from lakehold.pipelines.client import AirflowClient

CHECKOUT = Path(__file__).resolve().parents[2]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class RunningPlatform:
    """A platform that is up, driven as a user drives it: by the ``lakehold`` command."""

    state: Path
    checkout: Path = CHECKOUT

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "LAKEHOLD_STATE": str(self.state)}

    def lakehold(
        self, *arguments: str, timeout: int = 600, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("lakehold")), *arguments]
        done = subprocess.run(
            command,
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(arguments)} exited {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def sql(self, statement: str, user: str = "admin") -> list[dict[str, str]]:
        """Ask Trino as the command of that name does, whose start would take longer; every value as text."""
        with closing(connect(self._site, user)) as connection:
            cursor = connection.cursor()
            rows = cursor.execute(statement).fetchall()
            names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, ("" if value is None else str(value) for value in row), strict=True)) for row in rows]

    def status(self) -> list[dict[str, Any]]:
        return list(json.loads(self.lakehold("status", "--json", check=False).stdout)["processes"])

    def health(self) -> dict[str, ProcessStatus]:
        """What ``status`` tells, to be asked again and again: starting the command would slow down what is awaited."""
        return {entry.process: entry for entry in collect(self._site, COMPONENTS)}

    def variables(self) -> dict[str, str]:
        """What ``lakehold env`` says; it is asked once, as addresses and logins stay."""
        return dict(self._variables)

    @cached_property
    def _variables(self) -> dict[str, str]:
        return dict(json.loads(self.lakehold("env", "--format", "json").stdout))

    @cached_property
    def _site(self) -> Site:
        return load_site(load_settings(self.checkout, self.environment), self.checkout)

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this state directory, told by its environment."""
        return [process for process in psutil.process_iter() if _belongs(process, self.state)]

    def airflow(self) -> AirflowClient:
        """A session with Airflow, as its administrator."""
        variables = self.variables()
        return AirflowClient(*(variables[f"AIRFLOW_{name}"] for name in ("URL", "USER", "PASSWORD")))

    def patiently(self, question: Callable[[AirflowClient], Answer]) -> Answer | None:
        """Ask Airflow; None while it, or its database, is being restarted."""
        try:
            with self.airflow() as airflow:
                return question(airflow)
        except NotRunningError:
            return None

    def shadows(self) -> list[dict[str, Any]]:
        """What runs have written and not published."""
        return list(json.loads(self.lakehold("tables", "shadows", "--json").stdout))

    def run_days(self, first: str, last_exclusive: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.lakehold("run", "flights_daily", "--from", first, "--to", last_exclusive, "--wait", check=check)


def _belongs(process: psutil.Process, state: Path) -> bool:
    try:
        return process.environ().get("LAKEHOLD_STATE") == str(state)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
