"""What holds for everything the chart renders, in every profile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from lakehold.cluster.configure import WORKERS
from lakehold.components.trino_worker import NODES
from rendered import FACTS, Manifest, containers, jobs, matches, pods, secrets_of, ways

PROFILES = ("trial", "restricted", "production")
PROCESS = "lakehold/process"

Render = Callable[..., list[Manifest]]

every_profile = pytest.mark.parametrize("profile", PROFILES)


@every_profile
def test_every_pod_is_one_a_restricted_namespace_takes(render: Render, profile: str) -> None:
    for name, pod in pods(render(profile)):
        spec = pod["spec"]
        security = spec["securityContext"]
        assert security["runAsNonRoot"], name
        assert security["runAsUser"] >= 10000, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["serviceAccountName"], name
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "projected", "configMap", "persistentVolumeClaim"}, name


@every_profile
def test_every_container_is_limited_and_cannot_rise(render: Render, profile: str) -> None:
    for name, pod in pods(render(profile)):
        for container in containers(pod):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            for kind in ("requests", "limits"):
                assert set(container["resources"][kind]) == {"cpu", "memory"}, name
            reference = container["image"].rpartition("/")[2]
            assert "@sha256:" in reference or (":" in reference and not reference.endswith(":latest")), name


@every_profile
def test_everything_that_runs_on_is_probed(render: Render, profile: str) -> None:
    for one in render(profile):
        if one["kind"] in ("Deployment", "StatefulSet"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), one["metadata"]["name"]


@every_profile
def test_a_program_that_says_who_is_alive_has_time_to_start(render: Render, profile: str) -> None:
    for one in render(profile):
        if one["kind"] in ("Deployment", "StatefulSet"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                probe = container["livenessProbe"]
                if "exec" in probe:
                    assert probe["timeoutSeconds"] * probe["failureThreshold"] >= 180, one["metadata"]["name"]


@every_profile
def test_a_slow_start_is_not_cut_short(render: Render, profile: str) -> None:
    for one in render(profile):
        if one["kind"] in ("Deployment", "StatefulSet"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                probe = container["startupProbe"]
                assert probe["periodSeconds"] * probe["failureThreshold"] >= 300, one["metadata"]["name"]


@every_profile
def test_only_who_asks_the_api_has_a_token(render: Render, profile: str) -> None:
    found = {name.partition("/")[2] for name, pod in pods(render(profile)) if "serviceAccountToken" in str(pod)}
    makes_keys = profile != "restricted"
    tasks = {"demo-task/spark-task.yaml"} if profile == "production" else set()
    assert {name for name in found if "keys" not in name} == {"demo-airflow-api", "demo-airflow-scheduler", *tasks}
    assert any("keys" in name for name in found) is makes_keys


SPARK = "spark.executors=2"


def test_a_task_may_start_pods_only_where_spark_needs_them(render: Render) -> None:
    found = {name.rpartition("/")[2]: pod["spec"] for name, pod in pods(render("trial", SPARK))}
    assert found["spark-task.yaml"]["serviceAccountName"] == "demo-spark"
    assert found["task.yaml"]["serviceAccountName"] == found["executor.yaml"]["serviceAccountName"] == "demo"
    tokens = {name for name, spec in found.items() if "serviceAccountToken" in str(spec["volumes"])}
    configured = {name: found[name]["initContainers"][0]["command"][-2:] for name in ("task.yaml", "spark-task.yaml")}
    assert configured == {
        "task.yaml": ["airflow-task", "spark"], "spark-task.yaml": ["airflow-task", "spark-driver"],
    }  # fmt: skip
    assert tokens & {"spark-task.yaml", "task.yaml", "executor.yaml"} == {"spark-task.yaml"}
    without = {name.rpartition("/")[2]: pod["spec"] for name, pod in pods(render())}
    assert without["spark-task.yaml"] == without["task.yaml"]
    assert not [one for one in render() if one["metadata"]["name"].startswith("demo-spark")]


def test_a_driver_may_do_nothing_but_with_pods(render: Render) -> None:
    roles = {one["metadata"]["name"]: one for one in render("trial", SPARK) if one["kind"] == "Role"}
    assert [rule["resources"] for rule in roles["demo-spark"]["rules"]] == [["pods"]]


def test_an_executor_has_no_secret_and_no_configuration(render: Render) -> None:
    (executor,) = [pod for name, pod in pods(render("trial", SPARK)) if name.endswith("executor.yaml")]
    assert {kind for volume in executor["spec"]["volumes"] for kind in volume} == {"name", "emptyDir"}
    (container,) = executor["spec"]["containers"]
    assert container["command"][1:] == ["-m", "lakehold.pipelines.spark_pod"]


def test_a_driver_and_its_executors_reach_each_other_and_executors_the_store(render: Render) -> None:
    found = ways(render("trial", SPARK)) - ways(render())
    assert found == {
        ("spark-executor", "airflow-task", 7078),
        ("spark-executor", "airflow-task", 7079),
        ("airflow-task", "spark-executor", 7079),
        ("spark-executor", "spark-executor", 7079),
        ("spark-executor", "objectstore", FACTS["objectstore"]["port"]),
    }


@every_profile
def test_there_is_no_right_beyond_the_namespace(render: Render, profile: str) -> None:
    kinds = {one["kind"] for one in render(profile)}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding", "Namespace", "Secret"}
    assert {one["metadata"]["namespace"] for one in render(profile)} == {"lake"}


def test_no_volume_goes_with_the_release(render: Render) -> None:
    for one in render():
        if one["kind"] == "PersistentVolumeClaim":
            assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        if one["kind"] == "StatefulSet":
            assert set(one["spec"]["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


def test_rendering_draws_nothing(template: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert template().stdout == template().stdout


def test_a_job_that_runs_something_else_has_another_name(render: Render) -> None:
    before = jobs(render())
    assert jobs(render("trial", "trino.resources.limits.cpu=3")) == before
    changed = jobs(render("trial", "images.platform.tag=0.2.0"))
    assert not before & changed
    assert len(changed) == len(before)


@pytest.mark.parametrize(
    ("value", "starts_again", "runs"),
    [
        ("settings.trino.heap=3G", {"demo-trino"}, {"demo-trino-schemas"}),
        ("settings.lineage.close_hours=3", {"demo-lineage"}, {"demo-lineage-migrate"}),
        # A task's pod reads them when it starts.
        ("settings.spark.cores=4", set(), set()),
    ],
)
def test_a_changed_setting_starts_again_whom_it_concerns(
    render: Render, value: str, starts_again: set[str], runs: set[str]
) -> None:
    objects, changed = render(), render("trial", value)
    before = {name: pod for name, pod in pods(objects) if "Job" not in name}
    after = {name: pod for name, pod in pods(changed) if "Job" not in name}
    different = {name.partition("/")[2] for name, pod in after.items() if pod != before[name]}
    assert different - {"demo-test"} == starts_again
    assert {name.rpartition("-")[0] for name in jobs(changed) - jobs(objects)} == runs


def test_no_hook_but_a_test(render: Render) -> None:
    hooks = [one["metadata"].get("annotations", {}).get("helm.sh/hook") for one in render()]
    assert {hook for hook in hooks if hook} == {"test"}


def test_the_policies_are_the_declarations_graph(render: Render) -> None:
    expected = set()
    bundled = {name: facts for name, facts in FACTS.items() if name not in WORKERS}
    for name, facts in bundled.items():
        for other in facts["talks"]:
            port = FACTS[other]["port"]
            expected |= {(name, other, port), (f"{name}-setup", other, port)}
        expected.add((f"{name}-setup", name, facts["port"]))
    expected |= {("airflow-task", other, FACTS[other]["port"]) for other in FACTS["airflow"]["talks"]}
    assert ways(render()) == expected


TWO_WORKERS = "trino.workers.replicas=2"


def test_nodes_of_trino_reach_each_other_and_nobody_else_a_worker(render: Render) -> None:
    port = FACTS["trino"]["port"]
    found = ways(render("trial", TWO_WORKERS)) - ways(render())
    assert found == {
        *((one, other, port) for one in ("trino", "trino-worker") for other in ("trino", "trino-worker")),
        *(("trino-worker", other, FACTS[other]["port"]) for other in ("postgres", "objectstore")),
    }


def test_what_is_outside_is_reached_outside_and_has_no_pods(render: Render) -> None:
    objects = render("production")
    names = {one["metadata"]["name"] for one in objects if one["kind"] in ("StatefulSet", "Service")}
    assert not names & {"demo-postgres", "demo-objectstore"}
    (cluster,) = [one for one in objects if one["metadata"]["name"] == "demo-cluster"]
    told = json.loads(cluster["data"]["cluster.json"])
    assert (told["hosts"]["postgres"], told["ports"]) == ("postgres.example.org", {"postgres": 5432})
    policies = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "NetworkPolicy"}
    out = {
        name: [rule["ports"][0]["port"] for rule in policies[name]["egress"] if "ipBlock" in rule["to"][0]]
        for name in ("demo-trino", "demo-trino-worker", "demo-lineage", "demo-airflow-task", "demo-spark-executor")
    }
    assert out == {
        "demo-trino": [5432, 443, 443],
        "demo-trino-worker": [5432, 443, 443],
        "demo-lineage": [5432, 443],
        "demo-airflow-task": [5432, 443, 443],
        "demo-spark-executor": [443],
    }


def test_no_address_is_no_way_out(render: Render) -> None:
    objects = render("production", "network.outside.objectstore=null", "network.outside.postgres=null")
    (lineage,) = [
        one["spec"] for one in objects if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "demo-lineage"
    ]
    assert not [rule for rule in lineage["egress"] if not rule["to"] or "ipBlock" in rule["to"][0]]


def test_what_outside_services_gave_is_in_a_secret_of_its_own(render: Render) -> None:
    given = {name: secrets_of(pod) for name, pod in pods(render("production"))}
    assert given["Deployment/demo-trino"]["lakehold-outside"] == {"s3.trino", "catalog.credential"}
    assert "postgres.trino" in given["Deployment/demo-trino"]["demo-secrets"]
    (roles,) = [keys for name, keys in given.items() if name.startswith("Job/demo-postgres-roles")]
    assert roles["lakehold-outside"] == {"postgres.superuser"}
    assert not [key for keys in given.values() for key in keys.get("demo-secrets", set()) if key.startswith("s3.")]


def test_without_that_secret_the_message_names_the_value(
    template: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = template("production", "secrets.outside=")
    assert "secrets.outside: " in done.stderr
    assert "catalog.credential" in done.stderr


def test_two_of_everything_that_can_be_two_apart_and_never_both_away(render: Render) -> None:
    objects = render("production")
    budgets = [one["spec"]["selector"] for one in objects if one["kind"] == "PodDisruptionBudget"]
    alone = set()
    for one in (one for one in objects if one["kind"] == "Deployment"):
        pod = one["spec"]["template"]
        if one["spec"].get("replicas") == 1:
            alone.add(one["metadata"]["name"])
            continue
        assert pod["spec"]["topologySpreadConstraints"], one["metadata"]["name"]
        assert any(matches(budget, pod["metadata"]["labels"]) for budget in budgets), one["metadata"]["name"]
    assert alone == {"demo-trino"}


def test_workers_are_as_many_as_are_needed_and_finish_what_they_have_begun(render: Render) -> None:
    objects = render("production")
    deployments = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "Deployment"}
    (scaler,) = [one["spec"] for one in objects if one["kind"] == "HorizontalPodAutoscaler"]
    worker = deployments[scaler["scaleTargetRef"]["name"]]
    assert "replicas" not in worker
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    spec = worker["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > 600
    assert "drain.py" in str(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"])


def test_workers_ask_for_the_coordinators_own_pod(render: Render) -> None:
    services = {one["metadata"]["name"]: one for one in render("trial", TWO_WORKERS) if one["kind"] == "Service"}
    service = services[f"demo-trino{NODES}"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True


CELERY = ("airflow.executor=CeleryExecutor", "secrets.outside=mine")


def test_workers_of_celery_are_given_what_tasks_are_and_their_broker(render: Render) -> None:
    found = dict(pods(render("trial", *CELERY)))
    worker = found["Deployment/demo-airflow-worker"]
    given = secrets_of(worker)
    assert given["mine"] == {"celery.broker"}
    assert given["demo-secrets"] == secrets_of(found["ConfigMap/demo-task/task.yaml"])["demo-secrets"]
    assert worker["spec"]["initContainers"][-1]["command"][-2:] == ["airflow-worker", "spark"]
    assert worker["spec"]["terminationGracePeriodSeconds"] > 600
    (container,) = worker["spec"]["containers"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert "ports" not in container
    assert "serviceAccountToken" not in str(worker)


def test_workers_of_celery_reach_what_tasks_reach_and_their_broker(render: Render) -> None:
    objects = render("trial", *CELERY)
    expected = {("airflow-worker", other, FACTS[other]["port"]) for other in FACTS["airflow"]["talks"]}
    assert ways(objects) - ways(render()) == expected
    policies = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "NetworkPolicy"}
    for name in ("demo-airflow", "demo-airflow-worker"):
        outside = [rule["ports"] for rule in policies[name]["egress"] if "ipBlock" in rule["to"][0]]
        assert outside == [[{"protocol": "TCP", "port": 6379}]]


def test_celery_and_executors_as_pods_are_two_ways_to_run_spark(
    template: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = template("trial", *CELERY, SPARK)
    assert "spark.executors: " in done.stderr


def test_every_pod_is_denied_by_default(render: Render) -> None:
    objects = render()
    (default,) = [one for one in objects if one["metadata"]["name"] == "demo-default"]
    assert default["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default["spec"]
    for name, pod in pods(objects):
        labels = {**pod["metadata"].get("labels", {})}
        if labels:
            assert matches(default["spec"]["podSelector"], labels), name


def test_a_service_finds_the_one_process_that_serves(render: Render) -> None:
    objects = render()
    for service in (one for one in objects if one["kind"] == "Service"):
        found = {
            pod["metadata"]["labels"][PROCESS]
            for _name, pod in pods(objects)
            if matches({"matchLabels": service["spec"]["selector"]}, pod["metadata"].get("labels", {}))
        }
        assert len(found) == 1, service["metadata"]["name"]


def test_people_come_in_by_the_hosts_that_are_named_and_no_other(render: Render) -> None:
    assert not [one for one in render() if one["kind"] == "Ingress"]
    objects = render("trial", "ingress.hosts.airflow=flows.example.org", "ingress.tlsSecret=flows")
    (ingress,) = [one for one in objects if one["kind"] == "Ingress"]
    assert ingress["spec"]["tls"] == [{"hosts": ["flows.example.org"], "secretName": "flows"}]
    (cluster,) = [one for one in objects if one["metadata"]["name"] == "demo-cluster"]
    assert json.loads(cluster["data"]["cluster.json"])["settings"]["airflow"]["url"] == "https://flows.example.org"


def test_a_pod_with_a_volume_that_cannot_start_is_replaced_by_a_rollback(render: Render) -> None:
    """Otherwise its controller waits until the broken one is ready, which it never is."""
    images = ("openmetadata.image=example.org/om/server:2", "openmetadata.opensearch.image=example.org/os/opensearch:3")
    objects = render("trial", "openmetadata.enabled=true", *images, "secrets.outside=mine")
    policies = {
        one["metadata"]["name"]: one["spec"]["podManagementPolicy"] for one in objects if one["kind"] == "StatefulSet"
    }
    assert policies == dict.fromkeys(("demo-postgres", "demo-objectstore", "demo-opensearch"), "Parallel")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("settings.trino.heap=much", "heap"),
        ("lineage.replicas=0", "replicas"),
        ("postgress.size=1", "postgress"),
        ("network.apiServer=10.0.0.300/8", "apiServer"),
        ("postgres.storage.size=1.1Gi", "size"),
        # What only Kubernetes would refuse, when the first half is made already.
        (
            "trino.resources.requests.memory=64Gi",
            "trino.resources.requests.memory: 64Gi is more than trino.resources.limits.memory",
        ),
        ("lineage.resources.limits.cpu=10m", "is more than lineage.resources.limits.cpu, which is 10m"),
        ("spark.executor.cpu.request=3", "spark.executor.cpu.request: 3 is more than spark.executor.cpu.limit"),
        ("airflow.task.resources.requests.cpu=2500m", "airflow.task.resources.requests.cpu"),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(
    template: Callable[..., subprocess.CompletedProcess[str]], value: str, path: str
) -> None:
    done = template("trial", value)
    assert done.returncode != 0
    assert path in done.stderr
