"""Airflow's own KubernetesExecutor with tasks to start, driven as the scheduler's loop drives it.

Run by the Python of the cluster's Airflow, in an AIRFLOW_HOME of its own: ``executor_load.py <tasks> <file>``. Its
database is made here, with the tasks queued in it; whoever plays the tasks sets their states. The file gets a line of
JSON at each step: ``queued``, ``created`` (every pod was asked for), ``ended`` (each was seen to end, and was deleted).
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import psutil
from airflow import settings
from airflow.executors.workloads import BundleInfo, ExecuteTask
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.taskinstance import TaskInstance
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor import KubernetesExecutor
from airflow.utils.state import TaskInstanceState
from sqlalchemy import insert

JOB = 1
"""The scheduler's number."""
_IDLE = 0.1
"""Seconds: `scheduler_idle_sleep_time`."""
_ENDED = {TaskInstanceState.SUCCESS, TaskInstanceState.FAILED}


def main() -> None:
    """Start the tasks and wait for their ends."""
    executor = KubernetesExecutor()
    executor.job_id = JOB
    tasks = [_task(executor, number) for number in range(int(sys.argv[1]))]
    _remember(tasks)
    executor.start()
    for task in tasks:
        executor.queue_workload(task, session=None)
    own = Usage(Path(sys.argv[2]))
    own.tell("queued")
    states: Counter[str] = Counter()
    created = False
    while states.total() < len(tasks):
        executor.heartbeat()
        events = executor.get_event_buffer()
        states.update(str(state) for state, _ in events.values() if state in _ENDED)
        if not created and not executor.queued_tasks and executor.task_queue.empty():
            created = True
            own.tell("created")
        own.look()
        if not events:
            time.sleep(_IDLE)
    own.tell("ended", states=dict(states))
    executor.end()


def _task(executor: KubernetesExecutor, number: int) -> ExecuteTask:
    """What the scheduler hands to an executor: ten tasks a run."""
    own = TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="flights_daily",
        run_id=f"scheduled__{number // 10:04}",
        task_id=f"step_{number % 10}",
        try_number=1,
        queue="default",
        pool_slots=1,
        priority_weight=1,
    )
    return ExecuteTask(
        ti=own,
        token=ExecuteTask.generate_token(str(own.id), executor.jwt_generator),
        dag_rel_path=Path("flights_daily.py"),
        bundle_info=BundleInfo(name="checkout"),
        log_path=f"dag_id={own.dag_id}/run_id={own.run_id}/task_id={own.task_id}/attempt=1.log",
    )


def _remember(tasks: list[ExecuteTask]) -> None:
    """Queue them in the database; what else it would have of a run is not asked for."""
    import_all_models()
    Base.metadata.create_all(settings.engine)
    same = {"state": "queued", "queued_by_job_id": JOB, "pool": "default_pool", "map_index": -1, "try_number": 1}
    rows = [
        {"id": task.ti.id, "dag_id": task.ti.dag_id, "run_id": task.ti.run_id, "task_id": task.ti.task_id, **same}
        for task in tasks
    ]
    with settings.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.execute(insert(TaskInstance.__table__), rows)
        connection.commit()


class Usage:
    """CPU seconds since it was made, and the most memory (MB) it has seen, of this process and those it started."""

    def __init__(self, told: Path) -> None:
        self._told = told
        self._before, self._loop_before = self._cpu(), time.process_time()
        self._most = 0.0
        self._next = 0.0

    def look(self) -> None:
        """See how much memory it is now; not more often than each second."""
        if time.monotonic() > self._next:
            self._most = max(self._most, sum(_memory(one.pid) for one in self._processes()))
            self._next = time.monotonic() + 1

    def tell(self, step: str, **more: object) -> None:
        """Write a line of JSON."""
        self._next = 0.0
        self.look()
        loop = time.process_time() - self._loop_before
        used = {"cpu": self._cpu() - self._before, "loop": loop, "memory": self._most}
        with self._told.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "at": time.time(), **used, **more}) + "\n")

    def _cpu(self) -> float:
        return sum(sum(one.cpu_times()[:2]) for one in self._processes())

    def _processes(self) -> list[psutil.Process]:
        own = psutil.Process()
        return [own, *own.children(recursive=True)]


def _memory(pid: int) -> float:
    """MB of a process; what several share is counted once in all."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


if __name__ == "__main__":
    main()
