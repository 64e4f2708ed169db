"""What a pod's first container writes is what the declarations say, for the pod's own settings."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lakehold.cluster import layout, openmetadata
from lakehold.cluster.configure import Plan, certificates, plan, write
from lakehold.cluster.declared import example
from lakehold.cluster.pod import Mounted, executors_of, load, postgres_tls, settings_of
from lakehold.components.airflow import AIRFLOW, AIRFLOW_TASK
from lakehold.components.airflow_worker import AIRFLOW_WORKER
from lakehold.components.generated import generate
from lakehold.components.lineage import LINEAGE
from lakehold.components.model import Component, Git, Site
from lakehold.components.objectstore import OBJECTSTORE
from lakehold.components.openmetadata_tokens import PUBLIC, RSA
from lakehold.components.postgres import POSTGRES
from lakehold.components.registry import COMPONENTS
from lakehold.components.spark import SPARK as SPARK_PART
from lakehold.components.spark import SPARK_DRIVER
from lakehold.components.trino import TRINO
from lakehold.components.trino_worker import TRINO_WORKER
from lakehold.errors import ConfigError
from lakehold.lineage.sinks import settings as sinks
from lakehold.pipelines import spark_submit

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


def test_other_names_of_buckets_reach_all_who_use_them() -> None:
    names = {"landing_bucket": "acme-in", "quarantine_bucket": "acme-refused", "logs_bucket": "acme-logs"}
    settings = settings_of({"s3": names, "catalog": {"warehouse": "s3://acme-lake/wh/"}})
    site = dataclasses.replace(SITE, settings=settings)
    command = json.loads(plan(OBJECTSTORE, site).files[layout.RUN / "objectstore-users.json"])["command"]
    assert command[-4:] == ["s3://acme-lake/wh/", "acme-in", "acme-refused", "acme-logs"]
    conf = Path("/var/lib/lakehold/conf/airflow")
    for part in (AIRFLOW, AIRFLOW_TASK, AIRFLOW_WORKER):
        files = plan(part, site).files
        assert "remote_base_log_folder = s3://acme-logs/airflow\n" in files[conf / "airflow.cfg"]
        told = json.loads(files[conf / "platform.json"])["s3"]
        assert (told["landing"], told["quarantine"]) == ("acme-in", "acme-refused")


@pytest.mark.parametrize(
    "values",
    [
        {"s3": {"logs_bucket": "Logs"}},
        {"s3": {"landing_bucket": "logs"}},
        {"catalog": {"warehouse": "s3://landing/tables/"}},
        {"catalog": {"warehouse": "s3://lake/tables"}},
    ],
)
def test_a_bucket_has_a_bucket_s_name_and_is_for_one_thing(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^settings(\.(s3|catalog)\.\w+)?: "):
        settings_of(values)


def sinks_of(site: Site) -> dict[str, str]:
    environment = json.loads(plan(LINEAGE, site).files[layout.RUN / "lineage.json"])["environment"]
    return {key: value for key, value in environment.items() if key in vars(sinks).values()}


def test_lineage_is_published_to_nobody_unless_somebody_is_named() -> None:
    assert sinks_of(SITE) == {}


def test_lineage_is_published_to_the_openmetadata_that_is_installed_with_it() -> None:
    drawn = {name: generate(name) for name in openmetadata.GENERATED}
    site = dataclasses.replace(
        SITE,
        hosts={**SITE.hosts, "openmetadata": "demo-openmetadata"},
        ports={**SITE.ports, "openmetadata": openmetadata.PORT},
        secrets={**SITE.secrets, **drawn},
    )
    told = sinks_of(site)
    assert told[sinks.OPENMETADATA_URL] == "http://demo-openmetadata:8585"
    signed, _, signature = told[sinks.OPENMETADATA_TOKEN].rpartition(".")
    public = serialization.load_der_public_key(openmetadata.files(drawn)[PUBLIC])
    assert isinstance(public, rsa.RSAPublicKey)
    padded = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    public.verify(padded, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    assert drawn[RSA] not in str(plan(LINEAGE, site).files), "the key itself stays with whom it was given to"


def test_lineage_is_published_elsewhere_with_the_token_that_was_given() -> None:
    settings = {
        "openlineage": {"url": "https://ol.example.org/api/v1/lineage"},
        "openmetadata": {"url": "https://om.example.org", "token_file": "/etc/lakehold/secrets/openmetadata.token"},
    }
    secrets = {**SITE.secrets, "openmetadata.token": "bot"}
    site = dataclasses.replace(
        SITE, settings=settings_of(settings), hosts={**SITE.hosts, "openmetadata": "demo-openmetadata"}, secrets=secrets
    )
    told = sinks_of(site)
    assert (told[sinks.OPENMETADATA_URL], told[sinks.OPENMETADATA_TOKEN]) == ("https://om.example.org", "bot")
    assert (told[sinks.OPENLINEAGE_URL], told[sinks.OPENLINEAGE_TOKEN]) == ("https://ol.example.org/api/v1/lineage", "")
    with_token = dataclasses.replace(site, secrets={**secrets, "openlineage.token": "hush"})
    assert sinks_of(with_token)[sinks.OPENLINEAGE_TOKEN] == "hush"


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


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
def test_every_client_of_an_outside_postgres_is_told_how_to_verify_it(mode: str, tmp_path: Path) -> None:
    site = dataclasses.replace(SITE, postgres_tls=postgres_tls(mode))
    (tmp_path / "postgres.crt").write_text("Zertifikat für …\nCA\n", encoding="utf-8")
    (authority,) = certificates(tmp_path, site)
    for part in (POSTGRES, LINEAGE, TRINO, TRINO_WORKER, AIRFLOW, AIRFLOW_TASK, AIRFLOW_WORKER, SPARK_PART):
        for path, text in plan(part, site).files.items():
            logins = [line for line in text.splitlines() if "host-of-postgres" in line]
            if path.name == "postgres-roles.json":
                logins = [json.dumps(json.loads(text)["environment"]).replace("PGSSLMODE", "sslmode")]
            for login in logins:
                assert re.search(rf"sslmode(=|%%3D|\W+){mode}\b", login), (part.name, path, login)
                assert (str(authority) in login) is mode.startswith("verify-"), (part.name, path, login)


def test_the_bundled_postgres_speaks_no_tls_and_nobody_is_told_to() -> None:
    assert not [text for part in COMPONENTS for text in plan(part, SITE).files.values() if "sslmode" in text]


def test_what_the_chart_mounts_is_read(tmp_path: Path) -> None:
    described: dict[str, Any] = {
        "settings": {"catalog": {"name": "lake"}},
        "hosts": {"trino": "demo-trino"},
        "namespace": "lake",
    }
    described |= {"ports": {"postgres": 5432}, "admin": "owner", "trinoWorkers": True, "celery": 4}
    described["sslmode"] = "require"
    described |= {"spark": {"account": "demo", "executors": 0}, "git": {"url": ""}}
    (tmp_path / "cluster.json").write_text(json.dumps(described), encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "s3.root").write_text("hush\n", encoding="utf-8")
    site = load(COMPONENTS, tmp_path)
    assert (site.settings.catalog.name, site.at("trino"), site.secrets["s3.root"]) == ("lake", "demo-trino", "hush")
    assert site.pods is not None
    assert (site.pods.namespace, str(site.pods.template)) == ("lake", "/etc/lakehold/task.yaml")
    assert (site.pods.executors, site.pods.git) == (None, None)
    assert (site.pods.admin, site.pods.trino_workers, site.pods.celery) == ("owner", True, 4)
    assert (site.ports["postgres"], site.ports["trino"]) == (5432, 18443)
    assert site.postgres_tls == {"sslmode": "require"}


SPARK_CONF = Path("/var/lib/lakehold/conf/spark/spark-defaults.conf")
SPARK = {
    "account": "demo",
    "executors": 3,
    "executor": {"cores": 2, "heap": "1g", "overhead": "512m", "cpu": {"request": "500m", "limit": 2}},
}


def test_executors_are_pods_only_where_there_are_any() -> None:
    assert executors_of({**SPARK, "executors": 0}) is None
    executors = executors_of(SPARK)
    assert executors is not None
    assert (executors.count, executors.cpu_limit, str(executors.template)) == (3, "2", "/etc/lakehold/executor.yaml")
    driver = plan(SPARK_DRIVER, with_pods(executors=executors)).files[SPARK_CONF]
    assert "spark.master=k8s://https://kubernetes.default.svc\n" in driver
    assert "spark.kubernetes.executor.podTemplateFile=/etc/lakehold/executor.yaml\n" in driver


def test_a_pod_that_may_start_none_does_the_work_itself() -> None:
    """Whoever is given the new settings in a pod made from the old template, or the other way round, can work."""
    site = with_pods(executors=executors_of(SPARK))
    for text in (plan(SPARK_PART, site).files[SPARK_CONF], plan(SPARK_DRIVER, SITE).files[SPARK_CONF]):
        assert "spark.master=local[2]\n" in text
        assert "kubernetes" not in text


def test_the_pod_of_a_spark_task_is_where_its_operator_says() -> None:
    assert str(layout.GIVEN / layout.SPARK_TASK) == spark_submit.POD


def with_pods(**changes: Any) -> Site:
    assert SITE.pods is not None
    return dataclasses.replace(SITE, pods=dataclasses.replace(SITE.pods, **changes))


def airflow_file(name: str, site: Site) -> str:
    return plan(AIRFLOW_TASK, site).files[Path("/var/lib/lakehold/conf/airflow") / name]


def test_dags_come_from_a_repository_where_one_is_named() -> None:
    git = Git(url="https://git.example.org/a.git", ref="main", dags="dags", seconds=60)
    site = dataclasses.replace(with_pods(git=git), secrets={**SITE.secrets, "git.token": "hush"})
    assert '"classpath": "lakehold.pipelines.git_bundle.GitBundle"' in airflow_file("airflow.cfg", site)
    assert "hush" not in airflow_file("airflow.cfg", site)
    connection = json.loads(airflow_file("connections.json", site))["lakehold_git"]
    assert (connection["host"], connection["password"]) == ("https://git.example.org/a.git", "hush")
    assert "lakehold.pipelines.bundle.CheckoutBundle" in airflow_file("airflow.cfg", SITE)


BROKER = "redis://:hush@broker.example.org:6379/0"


def test_a_worker_of_celery_has_a_task_s_configuration_and_its_broker() -> None:
    site = dataclasses.replace(with_pods(celery=8), secrets={**SITE.secrets, "celery.broker": BROKER})
    files = plan(AIRFLOW_WORKER, site).files
    text = files[Path("/var/lib/lakehold/conf/airflow/airflow.cfg")]
    assert "executor = CeleryExecutor\n" in text
    # Results are kept by the broker too: no worker needs Airflow's database.
    assert text.count(BROKER) == 2
    assert "worker_concurrency = 8\n" in text
    assert not [word for word in ("fernet", "jwt_secret", "sql_alchemy", "secret_key") if word in text]
    started = json.loads(files[layout.RUN / "airflow-worker.json"])
    assert started["command"][-3:] == ["celery", "worker", "--skip-serve-logs"]
    assert "/conf/airflow/worker" in started["environment"]["PYTHONPATH"]
    services = plan(AIRFLOW, site).files[Path("/var/lib/lakehold/conf/airflow/airflow.cfg")]
    assert "executor = CeleryExecutor\n" in services
    assert "[kubernetes_executor]" not in services


def properties_of(part: Component, site: Site) -> str:
    return plan(part, site).files[Path("/var/lib/lakehold/conf/trino/etc/config.properties")]


def test_nodes_of_trino_make_certificates_for_each_other_and_only_then() -> None:
    several = with_pods(trino_workers=True)
    coordinator, worker = properties_of(TRINO, several), properties_of(TRINO_WORKER, several)
    assert "node-scheduler.include-coordinator=false\n" in coordinator
    assert "discovery.uri=https://host-of-trino-nodes:18443\n" in worker
    assert "truststore" not in coordinator + worker
    assert "truststore" in properties_of(TRINO, SITE)
    assert "node-scheduler.include-coordinator=true\n" in properties_of(TRINO, SITE)
    command = json.loads(plan(TRINO_WORKER, several).files[layout.RUN / "trino-worker.json"])["command"]
    assert not [word for word in command if word.startswith(("-Dnode.id", "-Dnode.internal-address"))]


def test_a_worker_is_given_nobody_s_password() -> None:
    files = plan(TRINO_WORKER, with_pods(trino_workers=True)).files
    assert not [path for path in files if path.name in ("password.db", "lineage.properties", "rules.json")]
    assert "secret-trino.admin" not in str(files)


def test_a_worker_lets_itself_be_asked_to_leave() -> None:
    etc = Path("/var/lib/lakehold/conf/trino/etc")
    files = plan(TRINO_WORKER, with_pods(trino_workers=True)).files
    assert f"access-control.config-files={etc}/access-control.properties\n" in files[etc / "config.properties"]
    assert files[etc / "access-control.properties"] == "access-control.name=allow-all\n"


def test_databases_of_an_outside_server_are_made_as_its_own_administrator() -> None:
    command = json.loads(plan(POSTGRES, with_pods(admin="owner")).files[layout.RUN / "postgres-roles.json"])["command"]
    assert command[-3:] == ["host-of-postgres", "15432", "owner"]


def test_an_empty_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "s3.root").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"s3\.root is empty"):
        _ = Mounted(tmp_path)["s3.root"]


def test_a_wrong_setting_is_named_by_its_path() -> None:
    with pytest.raises(ConfigError, match=r"settings\.trino\.heap"):
        settings_of({"trino": {"heap": "much"}})
