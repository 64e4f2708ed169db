"""Airflow's declaration as data: what is generated, and that no secret leaves the files meant for it."""

from __future__ import annotations

import configparser
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from lakehold.components.airflow import AIRFLOW
from lakehold.components.airflow_config import config, fernet_key, jwt_secret, render
from lakehold.components.model import Pods, Site
from lakehold.config.platform import loads
from lakehold.config.settings import AirflowSettings, Settings

SECRETS = {name: f"s3cr%t/{name}" for name in AIRFLOW.secrets}
PORTS = {"airflow": 18080, "postgres": 15432, "trino": 18443, "objectstore": 17070, "lineage": 18090}


@pytest.fixture
def site() -> Site:
    return Site(
        settings=Settings(),
        checkout=Path("/checkout"),
        state=Path("/checkout/.lakehold"),
        artifacts={"jdk-21": Path("/store/jdk-21")},
        pythons={name: Path(f"/store/{name}/bin/python") for name in ("lakehold", "airflow", "dbt", "engine")},
        ports=PORTS,
        secrets=SECRETS,
    )


def files(site: Site) -> dict[str, str]:
    return {file.path: file.text for file in AIRFLOW.files(site)}


def parsed(site: Site) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(files(site)["airflow.cfg"])
    return parser


def test_a_percent_sign_in_a_password_survives_airflows_interpolation(site: Site) -> None:
    assert parsed(site)["api"]["secret_key"] == "s3cr%t/airflow.api-secret"
    assert "airflow:s3cr%25t%2Fpostgres.airflow@127.0.0.1:15432" in parsed(site)["database"]["sql_alchemy_conn"]


def test_keys_have_the_form_their_algorithm_wants() -> None:
    token = Fernet(fernet_key("any secret").encode()).encrypt(b"x")
    assert Fernet(fernet_key("any secret").encode()).decrypt(token) == b"x"
    assert len(jwt_secret("any secret")) >= 64


def test_no_command_and_no_environment_holds_a_secret(site: Site) -> None:
    parts: list[Any] = [*AIRFLOW.processes, *AIRFLOW.before, *AIRFLOW.after]
    shown = [str(part.command(site)) + str(part.environment(site)) for part in parts]
    assert not [text for text in shown if "s3cr%t" in text]


def test_tasks_are_not_told_the_password_of_a_person(site: Site) -> None:
    platform = loads(files(site)["platform.json"])
    assert set(platform.trino.passwords) == {"dbt", "gates", "maintenance"}
    assert "airflow.admin" not in files(site)["platform.json"] + files(site)["airflow.cfg"]


def test_every_address_is_on_loopback(site: Site) -> None:
    api = parsed(site)["api"]
    assert (api["host"], api["port"], api["workers"]) == ("127.0.0.1", "18080", "1")
    commands = {process.name: process.command(site) for process in AIRFLOW.processes}
    assert "--skip-serve-logs" in commands["airflow-scheduler"]
    assert "--skip-serve-logs" in commands["airflow-triggerer"]


def test_lineage_never_holds_a_task_up(site: Site) -> None:
    transport = json.loads(parsed(site)["openlineage"]["transport"])
    assert 2 * transport["timeout"] < 2, "a task posts twice"
    assert transport["retry"]["total"] == 0


def test_stock_settings_for_comparison_leave_the_tuning_out(site: Site) -> None:
    stock = dataclasses.replace(site, settings=Settings(airflow=AirflowSettings(tuned=False)))
    assert "scheduler_idle_sleep_time" not in config(stock)["scheduler"]
    assert config(stock)["workers"] == {}
    assert "preimport" in files(site)["scheduler/airflow_local_settings.py"]
    assert "preimport" not in files(stock)["scheduler/airflow_local_settings.py"]


def test_on_one_machine_tasks_are_processes_and_in_a_cluster_pods(site: Site) -> None:
    pods = Pods(namespace="lake", template=Path("/etc/task.yaml"))
    cluster = dataclasses.replace(site, pods=pods)
    assert config(site)["core"]["executor"] == "LocalExecutor"
    assert "kubernetes_executor" not in config(site)
    assert config(cluster)["core"]["executor"] == "KubernetesExecutor"
    assert config(cluster)["kubernetes_executor"]["namespace"] == "lake"
    assert "preimport" not in files(cluster)["scheduler/airflow_local_settings.py"]


def test_behind_an_ingress_it_believes_what_people_came_by(site: Site) -> None:
    """On one machine nobody stands between: whoever said so could only mislead."""
    cluster = dataclasses.replace(site, pods=Pods(namespace="lake", template=Path("/etc/task.yaml")))
    [api] = [process for process in AIRFLOW.processes if process.name == "airflow-api"]
    assert api.command(cluster)[-2:] == ["api-server", "--proxy-headers"]
    assert api.environment(cluster)["FORWARDED_ALLOW_IPS"] == "*"
    assert api.command(site)[-1] == "api-server"
    assert "FORWARDED_ALLOW_IPS" not in api.environment(site)


def test_people_log_in_where_they_open_it(site: Site) -> None:
    behind = Settings(airflow=AirflowSettings(url="https://flows.example.org/air"))
    assert config(site)["api"]["base_url"] == "http://127.0.0.1:18080"
    assert config(dataclasses.replace(site, settings=behind))["api"]["base_url"] == "https://flows.example.org/air"


def test_sections_are_rendered_in_order() -> None:
    assert render({"a": {"x": 1, "y": True}, "b": {}}) == "[a]\nx = 1\ny = True\n\n[b]\n"
