"""The base of our operators: a command of another Python environment or of a JVM, run as one Airflow task.

Its output becomes the task's log line by line, and it never outlives the task: see :mod:`lakehold.pipelines.guard`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from lakehold.config.platform import Platform, load
from lakehold.pipelines import shadows, warm_client
from lakehold.pipelines.openlineage import ancestry

_GUARD = Path(__file__).with_name("guard.py")
_GRACE_SECONDS = 4
"""Less than the 5 s after which Airflow's supervisor turns from SIGTERM to SIGKILL."""

_INHERITED = ("HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LAKEHOLD_PLATFORM", "LAKEHOLD_STATE", "LAKEHOLD_PROCESS")
"""The last two mark a process as ours, so that ``lakehold down`` finds it whatever has happened."""


def checkout_of(context: Mapping[str, Any], platform: Platform) -> Path:
    """Return the files the run started with (``jobs/``, ``dbt_project/``, ``quality/``): the bundle's snapshot."""
    bundle = getattr(context["ti"], "bundle_instance", None)
    root = getattr(bundle, "root", None)
    return Path(root) if root else Path(platform.checkout)


class Command(BaseOperator):  # type: ignore[misc]  # Airflow is not installed where mypy runs
    """Run the command that :meth:`command` returns.

    A failing command fails the task, and Airflow's retries apply; an exit code in ``final_codes`` is not worth a retry.
    Inside an audited group (:mod:`lakehold.pipelines.audited`) its environment names the shadows to write to.
    """

    final_codes: ClassVar[Mapping[int, str]] = {}
    """Exit codes after which a retry cannot help, with what they mean."""

    def command(self, context: Mapping[str, Any], platform: Platform) -> Sequence[str]:
        """Return the argument list; secrets never belong in it."""
        raise NotImplementedError

    def extra_environment(self, context: Mapping[str, Any], platform: Platform) -> Mapping[str, str]:  # noqa: ARG002
        """Return what the command's environment holds besides the common variables."""
        return {}

    def execute(self, context: Mapping[str, Any]) -> Mapping[str, str] | None:
        """Run the command; every line it prints goes to the log. What is returned is the task's XCom."""
        platform = load()
        arguments = self.command(context, platform)
        self.raise_for(self.run_command(arguments, context, platform), arguments[0])
        return None

    def run_command(
        self,
        arguments: Sequence[str],
        context: Mapping[str, Any],
        platform: Platform,
        on_line: Callable[[str], None] | None = None,
    ) -> int:
        """Run a command to its end and return its exit code; each line it prints goes to ``on_line``, or to the log."""
        take = on_line or self.on_line
        environment = {**self._common(context, platform), **self.extra_environment(context, platform)}
        self.log.info("$ %s", " ".join(arguments))
        started = warm_client.wrapped(platform.work, platform.pythons["engine"], arguments)
        for line in self.lines(started, environment, checkout_of(context, platform)):
            take(line)
        return int(self._process.wait())

    def on_line(self, line: str) -> None:
        """Log one line of output."""
        self.log.info(line)

    def lines(self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[str]:
        """Start the command in ``folder`` and yield its output (both streams) while it runs."""
        guarded = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(_GRACE_SECONDS), *arguments]
        self._process = subprocess.Popen(
            guarded,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        stream = self._process.stdout
        if stream is None:
            raise AirflowException("the command's output could not be read")
        try:
            for line in stream:
                yield line.rstrip("\n")
        finally:
            self.on_kill()

    def on_kill(self) -> None:
        """End the command and all it started; does nothing when it has ended."""
        process = getattr(self, "_process", None)
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS + 1)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)

    def raise_for(self, code: int, program: str) -> None:
        """Raise what Airflow makes of an exit code: nothing, a failure worth a retry, or one that is not."""
        name = Path(program).name
        if code in self.final_codes:
            raise AirflowFailException(f"{name} ended with exit code {code}: {self.final_codes[code]}")
        if code:
            raise AirflowException(f"{name} ended with exit code {code}; the reason is in the lines above")

    @staticmethod
    def _common(context: Mapping[str, Any], platform: Platform) -> dict[str, str]:
        ti = context["ti"]
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {
            **kept,
            **shadows.environment(ti),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(Path(platform.checkout) / "platform" / "src"),
            "PYTHONUNBUFFERED": "1",
            **ancestry(context).variables(),
            "LAKEHOLD_DAG_ID": ti.dag_id,
            "LAKEHOLD_TASK_ID": ti.task_id,
            "LAKEHOLD_RUN_ID": ti.run_id,
            "LAKEHOLD_TRY": str(ti.try_number),
        }
