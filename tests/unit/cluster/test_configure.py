"""What a pod's first container writes is what the declarations say, for the pod's own settings."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from lakehold.cluster import layout
from lakehold.cluster.configure import Plan, certificates, plan, write
from lakehold.cluster.declared import example
from lakehold.cluster.pod import Mounted, load, settings_of
from lakehold.components.airflow import AIRFLOW, AIRFLOW_TASK
from lakehold.components.lineage import LINEAGE
from lakehold.components.model import Component
from lakehold.components.objectstore import OBJECTSTORE
from lakehold.components.postgres import POSTGRES
from lakehold.components.registry import COMPONENTS
from lakehold.components.trino import TRINO
from lakehold.errors import ConfigError

SITE = example(COMPONENTS)


@pytest.mark.parametrize("part", COMPONENTS, ids=lambda part: part.name)
def test_a_component_needs_no_secret_but_its_own(part: Component) -> None:
    own = {name: f"secret-{name}" for name in part.secrets}
    assert plan(part, dataclasses.replace(SITE, secrets=own)).files


def test_a_setting_reaches_the_command() -> None:
    site = dataclasses.replace(SITE, settings=settings_of({"trino": {"heap": "3G"}}))
    spec = json.loads(plan(TRINO, site).files[layout.RUN / "trino.json"])
    assert "-Xmx3G" in spec["command"]
    assert spec["directory"] == "/var/lib/lakehold/conf/trino"


def test_a_process_listens_on_its_pod_and_finds_others_by_their_service() -> None:
    environment = json.loads(plan(LINEAGE, SITE).files[layout.RUN / "lineage.json"])["environment"]
    assert environment["LAKEHOLD_LINEAGE_HOST"] == "0.0.0.0"  # noqa: S104 - a pod's own network
    assert environment["LAKEHOLD_LINEAGE_DATABASE"].startswith("host=host-of-postgres ")


def test_postgres_takes_passwords_only_whoever_gets_through() -> None:
    rules = plan(POSTGRES, SITE).files[Path("/var/lib/lakehold/conf/postgres/pg_hba.conf")].splitlines()
    assert [rule.split()[-1] for rule in rules if not rule.startswith("#")] == ["scram-sha-256"]


def test_whether_a_task_is_done_can_be_asked_without_its_input() -> None:
    spec = json.loads(plan(LINEAGE, SITE).files[layout.RUN / "lineage-migrate.done.json"])
    assert spec["command"][-1] == "--check"
    assert spec["stdin"] == ""


def test_tasks_are_pods() -> None:
    text = plan(AIRFLOW, SITE).files[Path("/var/lib/lakehold/conf/airflow/airflow.cfg")]
    assert "executor = KubernetesExecutor\n" in text
    assert "pod_template_file = /etc/lakehold/task.yaml\n" in text


def test_a_task_is_given_no_key_of_airflow_s_services_and_no_database() -> None:
    own = {name: f"secret-{name}" for name in AIRFLOW_TASK.secrets}
    files = plan(AIRFLOW_TASK, dataclasses.replace(SITE, secrets=own)).files
    text = files[Path("/var/lib/lakehold/conf/airflow/airflow.cfg")]
    assert "execution_api_server_url = http://host-of-airflow:18080/execution/\n" in text
    assert not [word for word in ("fernet", "jwt_secret", "sql_alchemy", "secret_key") if word in text]
    assert "airflow-task.json" in {path.name for path in files}


def test_a_task_s_log_outlives_its_pod() -> None:
    conf = Path("/var/lib/lakehold/conf/airflow")
    for part in (AIRFLOW, AIRFLOW_TASK):
        files = plan(part, SITE).files
        assert "remote_base_log_folder = s3://logs/airflow\n" in files[conf / "airflow.cfg"]
        (name,) = re.findall(r"^remote_log_conn_id = (.*)$", files[conf / "airflow.cfg"], re.MULTILINE)
        assert json.loads(files[conf / "connections.json"])[name]["login"] == "airflow"
    users = json.loads(plan(OBJECTSTORE, SITE).files[layout.RUN / "objectstore-users.json"])
    assert users["command"][-1] == "logs"


def test_a_secret_given_on_standard_input_stays_off_the_command_line() -> None:
    spec = json.loads(plan(POSTGRES, SITE).files[layout.RUN / "postgres-initdb.json"])
    assert spec["stdin"] == "secret-postgres.superuser\n"
    assert "secret-" not in " ".join(spec["command"])


def test_what_is_written_only_its_user_can_read(tmp_path: Path) -> None:
    write(Plan(folders=(tmp_path / "conf" / "web",), files={tmp_path / "conf" / "web" / "a": "hush"}))
    assert (tmp_path / "conf" / "web" / "a").stat().st_mode & 0o077 == 0
    assert (tmp_path / "conf" / "web").stat().st_mode & 0o077 == 0


def test_a_server_s_certificate_and_key_become_one_file(tmp_path: Path) -> None:
    for name, text in (("ca.crt", "CA\n"), ("tls.crt", "CERT"), ("tls.key", "KEY\n")):
        (tmp_path / name).write_text(text, encoding="ascii")
    assert certificates(tmp_path, SITE) == {
        SITE.tls / "ca.pem": "CA\n",
        SITE.tls / "server.pem": "CERT\nKEY\n",
    }


def test_a_client_is_given_the_authority_only(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA\n", encoding="ascii")
    assert set(certificates(tmp_path, SITE)) == {SITE.tls / "ca.pem"}
    assert certificates(tmp_path / "none", SITE) == {}


def test_what_the_chart_mounts_is_read(tmp_path: Path) -> None:
    described = {"settings": {"catalog": {"name": "lake"}}, "hosts": {"trino": "demo-trino"}, "namespace": "lake"}
    (tmp_path / "cluster.json").write_text(json.dumps(described), encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "s3.root").write_text("hush\n", encoding="utf-8")
    site = load(COMPONENTS, tmp_path)
    assert (site.settings.catalog.name, site.at("trino"), site.secrets["s3.root"]) == ("lake", "demo-trino", "hush")
    assert site.pods is not None
    assert (site.pods.namespace, str(site.pods.template)) == ("lake", "/etc/lakehold/task.yaml")


def test_an_empty_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "s3.root").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"s3\.root is empty"):
        _ = Mounted(tmp_path)["s3.root"]


def test_a_wrong_setting_is_named_by_its_path() -> None:
    with pytest.raises(ConfigError, match=r"settings\.trino\.heap"):
        settings_of({"trino": {"heap": "much"}})
