"""Airflow's REST API, as far as we use it: start a run of an interval, see how its tasks are, read a log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from lakehold.errors import ConfigError, LakeholdError, NotRunningError

FINISHED = ("success", "failed")
_UNDER_WAY = ("running", "deferred", "queued", "restarting")
_CONFLICT, _NOT_FOUND, _UNAUTHORIZED = 409, 404, 401
_PAGE = 100
_NEW_FILE_SECONDS, _FIRST_START_SECONDS = 15, 60


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Days from ``start`` until the day before ``end``, in UTC."""

    start: date
    end: date

    def __post_init__(self) -> None:
        """Refuse an empty interval."""
        if self.end <= self.start:
            raise ConfigError(
                f"the interval from {self.start} to {self.end} is empty.",
                why="--to is the day after the last day",
                remedy=f"--from {self.start} --to {self.start + timedelta(days=1)} is the one day {self.start}",
            )

    @property
    def logical_date(self) -> datetime:
        """The run's logical date: one for each interval, and for a single day the same as the schedule's.

        Airflow allows one run per logical date. Microseconds tell apart intervals that begin on the same day.
        """
        return _midnight(self.start) + timedelta(microseconds=(self.end - self.start).days - 1)

    def body(self) -> dict[str, str]:
        """Return the interval as the API wants it."""
        return {
            "logical_date": self.logical_date.isoformat(),
            "data_interval_start": _midnight(self.start).isoformat(),
            "data_interval_end": _midnight(self.end).isoformat(),
        }


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One DAG run."""

    dag_id: str
    run_id: str
    state: str


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """One task instance; ``seconds`` is None before it starts."""

    task_id: str
    map_index: int
    state: str | None
    attempt: int
    start: datetime | None
    end: datetime | None

    @property
    def name(self) -> str:
        """The task's id, with its index when it is mapped."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"

    def seconds(self, now: datetime) -> float | None:
        """How long it has taken so far; None before it starts."""
        if self.start is None:
            return None
        end = self.end if self.end and self.state not in _UNDER_WAY else now
        return (end - self.start).total_seconds()


class AirflowClient:
    """A session with Airflow's API server, logged in as ``user``; ``public`` is where people open it, if elsewhere.

    Raises :class:`NotRunningError` when nobody answers, or the answer is a server error, and :class:`ConfigError` when
    the login is refused.
    """

    def __init__(self, url: str, user: str, password: str, *, public: str = "") -> None:
        self.url = url.rstrip("/")
        self._public = (public or url).rstrip("/")
        # The address is on loopback: proxies in the environment are not for us.
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        login = {"username": user, "password": password}
        answer = self._send("POST", "/auth/token", json=login)
        if answer.status_code == _UNAUTHORIZED:
            raise ConfigError(f"Airflow refused the password of {user}.", remedy="lakehold up")
        token = self._checked(answer)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Self:
        """Return the session; it is closed at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the session."""
        self._http.close()

    def link(self, run: Run) -> str:
        """Return the page of a run in the UI."""
        return f"{self._public}/dags/{quote(run.dag_id)}/runs/{quote(run.run_id)}"

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until Airflow has read the DAG's file; :class:`ConfigError` with its import errors when it cannot.

        A new file is found within 10 s; right after a start, reading all of them may take longer.
        """
        began = time.monotonic()
        while self._send("GET", f"/api/v2/dags/{quote(dag_id)}").status_code == _NOT_FOUND:
            errors = self._get("/api/v2/importErrors")["import_errors"]
            known = [dag["dag_id"] for dag in self._get("/api/v2/dags", limit=_PAGE)["dags"]]
            if time.monotonic() - began > (_NEW_FILE_SECONDS if known or errors else _FIRST_START_SECONDS):
                raise ConfigError(
                    f'Airflow knows no DAG "{dag_id}".',
                    why="\n".join(error["stack_trace"] for error in errors) or f"it knows: {', '.join(known)}",
                    remedy="check the name, or mend the file in dags/",
                )
            time.sleep(1)

    def start(self, dag_id: str, interval: Interval | None) -> Run:
        """Start a run of the interval; an interval that was run before is run again, with the newest code.

        A run of it that is still under way is returned as it is. Without an interval the DAG's own schedule says which
        data a run of now is about.
        """
        if interval is None:
            body: Mapping[str, object] = {"logical_date": datetime.now(UTC).isoformat()}
        else:
            body = {**interval.body(), "dag_run_id": f"{interval.start}--{interval.end}"}
        answer = self._send("POST", f"{_runs(dag_id)}", json=body)
        if answer.status_code == _CONFLICT and interval is not None:
            return self._again(dag_id, interval)
        return _run(self._checked(answer))

    def _again(self, dag_id: str, interval: Interval) -> Run:
        at = interval.logical_date.isoformat()
        found = self._get(_runs(dag_id), logical_date_gte=at, logical_date_lte=at)["dag_runs"]
        if not found:
            raise LakeholdError(f"Airflow refused a second run of {interval}, but has no first one.")
        run = _run(found[0])
        if run.state not in FINISHED:
            return run
        clear = {"dry_run": False, "only_failed": False, "run_on_latest_version": True}
        self._checked(self._send("POST", f"{_runs(dag_id)}/{quote(run.run_id)}/clear", json=clear))
        return self.run(run)

    def run(self, run: Run) -> Run:
        """Return the run as it is now."""
        return _run(self._get(f"{_runs(run.dag_id)}/{quote(run.run_id)}"))

    def duration(self, run: Run) -> float:
        """Return the seconds a finished run took, by Airflow's own clock."""
        entry = self._get(f"{_runs(run.dag_id)}/{quote(run.run_id)}")
        start, end = (datetime.fromisoformat(entry[key]) for key in ("start_date", "end_date"))
        return (end - start).total_seconds()

    def tasks(self, run: Run) -> list[TaskState]:
        """Return every task instance of the run, in the order they started; those that have not come last."""
        path = f"{_runs(run.dag_id)}/{quote(run.run_id)}/taskInstances"
        entries: list[Mapping[str, Any]] = []
        total = 1
        while len(entries) < total:
            page = self._get(path, limit=_PAGE, offset=len(entries))
            entries += page["task_instances"]
            total = page["total_entries"]
        tasks = [_task(entry) for entry in entries]
        never = datetime.max.replace(tzinfo=UTC)
        return sorted(tasks, key=lambda task: (task.start or never, task.task_id, task.map_index))

    def log(self, run: Run, task: TaskState) -> list[str]:
        """Return the log of a task's last attempt, one string a line."""
        path = f"{_runs(run.dag_id)}/{quote(run.run_id)}/taskInstances/{quote(task.task_id)}/logs/{task.attempt}"
        content = self._get(path, map_index=task.map_index, full_content="true")["content"]
        return [line for entry in _without_sources(content) for line in _lines(entry)]

    def _get(self, path: str, **parameters: str | int) -> Any:
        return self._checked(self._send("GET", path, params=parameters))

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise NotRunningError(
                f"Airflow does not answer at {self.url}.", why=str(error), remedy="lakehold up"
            ) from error

    @staticmethod
    def _checked(answer: httpx.Response) -> Any:
        if answer.is_error:
            what = f"Airflow answered {answer.status_code} to {answer.request.method} {answer.request.url.path}."
            # A server error is most often PostgreSQL being restarted: it may pass, as being away may.
            kind = NotRunningError if answer.is_server_error else LakeholdError
            raise kind(what, why=answer.text[:500], remedy="lakehold logs airflow-api")
        return answer.json()


def _runs(dag_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id)}/dagRuns"


def _run(entry: Mapping[str, Any]) -> Run:
    return Run(dag_id=entry["dag_id"], run_id=entry["dag_run_id"], state=entry["state"])


def _task(entry: Mapping[str, Any]) -> TaskState:
    start, end = (datetime.fromisoformat(entry[key]) if entry[key] else None for key in ("start_date", "end_date"))
    return TaskState(
        task_id=entry["task_id"],
        map_index=entry["map_index"],
        state=entry["state"],
        attempt=entry["try_number"],
        start=start,
        end=end,
    )


def _without_sources(content: Sequence[Any]) -> Sequence[Any]:
    """Leave out the list of log files, which Airflow puts first as a group of its own."""
    for number, entry in enumerate(content):
        if isinstance(entry, dict) and entry.get("event") == "::endgroup::":
            return content[number + 1 :]
    return content


def _lines(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [str(entry)]
    event = str(entry.get("event", ""))
    if event.startswith(("::group::", "::endgroup::")):
        return []
    causes = [f"{cause['exc_type']}: {cause['exc_value']}" for cause in entry.get("error_detail") or []]
    return [*event.splitlines(), *causes]
