"""Airflow as people and operators meet it: logins, listeners, logs, versions, and kills that leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import psycopg
import pytest
from lakehold.components.airflow import AIRFLOW
from lakehold.errors import ConfigError
from lakehold.pipelines.client import AirflowClient, Interval

pytestmark = pytest.mark.component

UNAUTHORIZED = 401


def sleepers(number: str) -> list[psutil.Process]:
    """Processes of the DAG `tree`."""
    found = psutil.process_iter(["cmdline"])
    return [each for each in found if (each.info["cmdline"] or [])[:2] == ["sleep", number]]


def nobody_sleeps() -> bool:
    return not any(sleepers(number) for number in ("77001", "77002", "77003"))


def test_the_generated_password_opens_and_no_other_does(airflow: Any) -> None:
    assert airflow.login(airflow.password).is_success
    refused = [airflow.login(password).status_code for password in ("admin", "airflow", "", airflow.password + "x")]
    assert set(refused) <= {UNAUTHORIZED, 400}
    assert httpx.get(f"{airflow.url}/api/v2/dags", trust_env=False).status_code == UNAUTHORIZED
    with pytest.raises(ConfigError, match="refused the password"):
        AirflowClient(airflow.url, "admin", "admin")


def test_a_changed_password_is_applied_and_the_old_one_refused(airflow: Any) -> None:
    task = AIRFLOW.before[0]
    site = airflow.lab.site
    for password in ("another-password", airflow.password):
        subprocess.run(
            task.command(site), env=task.environment(site), input=password, text=True, check=True, capture_output=True
        )
        assert airflow.login(password).is_success
    assert airflow.login("another-password").status_code == UNAUTHORIZED


def test_another_version_s_preparation_is_not_this_one_s(airflow: Any) -> None:
    task, site = AIRFLOW.before[0], airflow.lab.site
    assert task.done is not None
    ask = {"args": task.done(site), "env": task.environment(site), "capture_output": True, "text": True}
    assert subprocess.run(**ask, check=False).returncode == 0
    secret, port = site.secrets["postgres.airflow"], site.ports["postgres"]
    with psycopg.connect(host=site.host, port=port, user="airflow", password=secret, dbname="airflow") as database:
        database.execute("UPDATE lakehold_prepared SET versions = 'lakehold=0.0.1'")
    asked = subprocess.run(**ask, check=False)
    assert asked.returncode == 1
    assert "ready for lakehold=0.0.1" in asked.stderr
    subprocess.run(
        task.command(site),
        env=task.environment(site),
        input=airflow.password,
        text=True,
        check=True,
        capture_output=True,
    )
    assert subprocess.run(**ask, check=False).returncode == 0


def test_a_newer_version_s_schema_is_noticed_before_anybody_goes_back(airflow: Any) -> None:
    task, site = AIRFLOW.before[0], airflow.lab.site
    assert task.fits is not None
    ask = {"args": task.fits(site), "env": task.environment(site), "capture_output": True, "text": True}
    fine = subprocess.run(**ask, check=False)
    assert (fine.returncode, fine.stderr) == (0, "")
    secret, port = site.secrets["postgres.airflow"], site.ports["postgres"]
    where = {"host": site.host, "port": port, "user": "airflow", "password": secret, "dbname": "airflow"}
    with psycopg.connect(**where) as database:
        (before,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    try:
        asked = subprocess.run(**ask, check=False)
    finally:
        with psycopg.connect(**where) as database:
            database.execute("UPDATE alembic_version SET version_num = %s", (before,))
    assert asked.returncode == 5
    assert "alembic_version is at ffffffffffff" in asked.stderr


def connections_of(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("inet"))
    except psutil.NoSuchProcess:
        return []
    except psutil.AccessDenied:
        # A task's supervisor hides from everybody but root, who looks into it when the tests run as root.
        assert os.geteuid() != 0
        return []


def test_every_listener_is_on_loopback(airflow: Any) -> None:
    listening = [
        connection.laddr
        for process in airflow.processes()
        for connection in connections_of(process)
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {airflow.lab.site.ports["airflow"]}


def test_a_run_keeps_the_code_it_started_with_and_its_log_can_be_read_meanwhile(airflow: Any, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    old = airflow.start("steps", sign=str(sign))
    airflow.until_state(old, "wait", "running")
    (airflow.checkout / "jobs" / "word.txt").write_text("after\n")
    current = airflow.call("GET", "dags/steps")["bundle_version"]
    airflow.until(lambda: airflow.call("GET", "dags/steps")["bundle_version"] != current, "a new version")
    new = airflow.start("steps", sign=str(sign))
    airflow.until_state(new, "first", "success")
    airflow.until(lambda: "waiting" in airflow.log(old, "wait"), "the log of a running task")
    sign.touch()
    assert (airflow.ended(old), airflow.ended(new)) == ("success", "success")
    printed = {run: airflow.log(run, "second").split("word.txt; exit 0")[1] for run in (old, new)}
    assert "before" in printed[old]
    assert "after" not in printed[old]
    assert "after" in printed[new]


def test_a_failing_command_fails_its_task_with_its_exit_code(airflow: Any) -> None:
    run = airflow.start("steps", sign="/", code=3)
    assert airflow.ended(run) == "failed"
    assert "bash ended with exit code 3" in airflow.log(run, "second")


def test_kill_9_of_a_task_leaves_no_process(airflow: Any) -> None:
    run = airflow.start("tree")
    airflow.until(lambda: sleepers("77001") and sleepers("77002"), "the processes")
    guard = sleepers("77002")[0].parents()[1]
    assert "guard.py" in " ".join(guard.cmdline())
    os.kill(guard.ppid(), signal.SIGKILL)
    airflow.until(nobody_sleeps, "the end of all processes", 20)
    assert airflow.ended(run) == "failed"


def test_marking_a_task_failed_ends_its_processes(airflow: Any) -> None:
    run = airflow.start("tree")
    airflow.until(lambda: sleepers("77001") and sleepers("77002"), "the processes")
    path = f"dags/tree/dagRuns/{run.run_id}/taskInstances/tree"
    airflow.call("PATCH", path, {"new_state": "failed"})
    airflow.until(nobody_sleeps, "the end of all processes", 40)
    assert airflow.ended(run) == "failed"


def test_kill_9_of_the_scheduler_leaves_no_worker_and_the_run_goes_on(airflow: Any, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    run = airflow.start("steps", sign=str(sign))
    airflow.until_state(run, "wait", "running")
    scheduler = airflow.lab.running.pop("airflow-scheduler")
    below = psutil.Process(scheduler.pid).children(recursive=True)
    scheduler.kill()
    scheduler.wait(10)
    assert psutil.wait_procs(below, timeout=10)[1] == []
    sign.touch()
    airflow.lab.launch(next(each for each in AIRFLOW.processes if each.name == "airflow-scheduler"))
    assert airflow.ended(run) == "success"


def test_a_missing_file_is_awaited_without_a_slot_and_then_named(airflow: Any) -> None:
    run, interval = airflow.start_day("landing")
    airflow.until_state(run, "landed", "deferred")
    pool = airflow.call("GET", "pools/default_pool")
    assert (pool["occupied_slots"], pool["running_slots"]) == (0, 0)
    # Three retries an hour apart are not spent on a file that did not come.
    assert airflow.ended(run) == "failed"
    assert f"1 expected files have not landed: flights/{interval.start}.csv" in airflow.log(run, "landed")


CHRISTMAS_EVE = Interval(start=date(2013, 12, 24), end=date(2013, 12, 25))


@pytest.fixture
def landed(airflow: Any) -> Interval:
    """A day whose file is there."""
    site = airflow.lab.site
    store = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{site.ports['objectstore']}",
        aws_access_key_id="delivery",
        aws_secret_access_key=site.secrets["s3.delivery"],
        region_name="us-east-1",
    )
    store.put_object(Bucket="landing", Key=f"flights/{CHRISTMAS_EVE.start}.csv", Body=b"x")
    airflow.client.wait_for_dag("landing")
    return CHRISTMAS_EVE


def test_a_file_that_is_there_ends_the_wait(airflow: Any, landed: Interval) -> None:
    run = airflow.client.start("landing", landed)
    assert airflow.ended(run) == "success"
    assert "1 of 1 files are in s3://landing" in airflow.log(run, "landed")


def test_an_interval_can_be_run_again(airflow: Any, landed: Interval) -> None:
    for _ in range(2):
        run = airflow.client.start("landing", landed)
        assert airflow.ended(run) == "success"
    task = airflow.task(run, "landed")
    assert task.attempt > 1
    assert task.end > task.start


def test_a_dag_file_rests_between_two_readings_also_after_a_callback(airflow: Any, landed: Interval) -> None:
    # A task that ends in the triggerer has a callback, after which Airflow read the file without end.
    assert airflow.ended(airflow.client.start("landing", landed)) == "success"
    readings = set()
    for _ in range(5):
        readings.add(airflow.call("GET", "dags/landing")["last_parsed_time"])
        time.sleep(3)
    assert len(readings) <= 2, readings
