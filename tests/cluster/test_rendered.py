"""What holds for everything the chart renders, in every profile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from lakehold.cluster import openmetadata
from lakehold.cluster.configure import WORKERS
from lakehold.cluster.declared import declared
from lakehold.components.registry import COMPONENTS
from lakehold.components.trino_worker import NODES

PROFILES = ("trial", "restricted", "production")
FACTS = declared(COMPONENTS)["components"]
NAME, PROCESS = "app.kubernetes.io/component", "lakehold/process"

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

every_profile = pytest.mark.parametrize("profile", PROFILES)


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod, by the name of what makes it."""
    for one in objects:
        name = f"{one['kind']}/{one['metadata']['name']}"
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield name, one["spec"]["template"]
        elif one["kind"] == "Pod":
            yield name, one
        elif one["kind"] == "ConfigMap":
            for file in ("task.yaml", "spark-task.yaml", "executor.yaml"):
                if file in one["data"]:
                    yield f"{name}/{file}", yaml.safe_load(one["data"][file])


def containers(pod: Manifest) -> list[Manifest]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


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


def jobs(objects: list[Manifest]) -> set[str]:
    return {one["metadata"]["name"] for one in objects if one["kind"] == "Job"}


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


def matches(selector: Manifest, labels: Manifest) -> bool:
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


def ways(objects: list[Manifest]) -> set[tuple[str, str, int]]:
    """Who may reach whom on which port: both ends' policies have to allow it."""
    policies = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    labels = {
        tuple(sorted(pod["metadata"]["labels"].items())) for _name, pod in pods(objects) if "labels" in pod["metadata"]
    }
    ends = [dict(one) for one in labels]
    ports = {facts["port"] for facts in FACTS.values()} | {7078, 7079, openmetadata.PORT, SEARCH}
    return {
        (source[NAME], target[NAME], port)
        for source in ends
        for target in ends
        for port in ports
        if _allowed(policies, "egress", "to", source, target, port)
        and _allowed(policies, "ingress", "from", target, source, port)
    }


def _allowed(policies: list[Manifest], way: str, peers: str, own: Manifest, other: Manifest, port: int) -> bool:
    for policy in policies:
        if not matches(policy["podSelector"], own):
            continue
        for rule in policy.get(way, []):
            peer = any(matches(one["podSelector"], other) for one in rule.get(peers, []) if "podSelector" in one)
            if peer and port in [one["port"] for one in rule["ports"]]:
                return True
    return False


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


def secrets_of(pod: Manifest) -> dict[str, set[str]]:
    """Secret → the keys of it that a pod is given."""
    sources = [one for volume in pod["spec"]["volumes"] for one in volume.get("projected", {}).get("sources", [])]
    return {one["secret"]["name"]: {key["key"] for key in one["secret"]["items"]} for one in sources if "secret" in one}


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


VERIFIED = "postgres.outside.sslmode=verify-full"


def authorities(objects: list[Manifest]) -> dict[str, Manifest]:
    """By pod, from where it is given the authority of PostgreSQL's certificate."""
    return {
        name: one
        for name, pod in pods(objects)
        for volume in pod["spec"]["volumes"]
        for one in volume.get("projected", {}).get("sources", [])
        if "tls/postgres.crt" in str(one)
    }


@pytest.mark.parametrize("kind", ["secret", "configMap"])
def test_whoever_is_configured_is_given_the_authority_of_an_outside_postgres(render: Render, kind: str) -> None:
    objects = render("production", VERIFIED, f"postgres.outside.ca.{kind}=rds", "postgres.outside.ca.key=bundle.pem")
    configured = {name for name, pod in pods(objects) if "lakehold.cluster.configure" in str(pod)}
    given = {"name": "rds", "items": [{"key": "bundle.pem", "path": "tls/postgres.crt"}]}
    assert authorities(objects) == {name: {kind: given} for name in configured}
    (cluster,) = [one for one in objects if one["metadata"]["name"] == "demo-cluster"]
    assert json.loads(cluster["data"]["cluster.json"])["sslmode"] == "verify-full"


def test_another_authority_starts_everything_again(render: Render) -> None:
    names = [jobs(render("production", VERIFIED, f"postgres.outside.ca.secret={one}")) for one in ("one", "two")]
    assert {name.rpartition("-")[0] for name in names[1] - names[0]} >= {"demo-postgres-roles", "demo-lineage-migrate"}


def test_the_bundled_postgres_is_asked_for_no_certificate(render: Render) -> None:
    objects = render("trial", VERIFIED, "postgres.outside.ca.secret=rds")
    assert authorities(objects) == {}
    (cluster,) = [one for one in objects if one["metadata"]["name"] == "demo-cluster"]
    assert json.loads(cluster["data"]["cluster.json"])["sslmode"] == ""


@pytest.mark.parametrize(
    "values",
    [
        (VERIFIED,),
        ("postgres.outside.ca.secret=rds",),
        (VERIFIED, "postgres.outside.ca.secret=rds", "postgres.outside.ca.configMap=rds"),
    ],
)
def test_an_authority_and_who_asks_it_belong_together(
    template: Callable[..., subprocess.CompletedProcess[str]], values: tuple[str, ...]
) -> None:
    assert "postgres.outside.ca: " in template("production", *values).stderr


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


OPENMETADATA = (
    "openmetadata.enabled=true",
    "openmetadata.image=example.org/om/server:2.0.1",
    "openmetadata.opensearch.image=example.org/os/opensearch:3.8.0",
    "secrets.outside=mine",
)
SEARCH = 9200


def test_openmetadata_is_reached_by_the_lineage_service_and_by_nobody_else(render: Render) -> None:
    own = ("openmetadata", "openmetadata-setup")
    assert ways(render("trial", *OPENMETADATA)) - ways(render()) == {
        ("lineage", "openmetadata", openmetadata.PORT),
        *((one, "opensearch", SEARCH) for one in own),
        *((one, "postgres", FACTS["postgres"]["port"]) for one in own),
    }


def told(objects: list[Manifest]) -> Manifest:
    """What pods are told of the platform."""
    (cluster,) = [one for one in objects if one["metadata"]["name"] == "demo-cluster"]
    return dict(json.loads(cluster["data"]["cluster.json"]))


def test_the_lineage_service_is_given_the_key_to_sign_with_and_nobody_else_of_ours(render: Render) -> None:
    objects = render("trial", *OPENMETADATA)
    cluster = told(objects)
    assert (cluster["hosts"]["openmetadata"], cluster["ports"]["openmetadata"]) == ("demo-openmetadata", 8585)
    given = {name: {key for keys in secrets_of(pod).values() for key in keys} for name, pod in pods(objects)}
    signing = {"openmetadata.rsa", "openmetadata.key-id"}
    holders = {name.rpartition("-migrate-")[0] or name for name, keys in given.items() if keys & signing}
    assert holders == {f"{kind}/demo-{name}" for kind in ("Deployment", "Job") for name in ("lineage", "openmetadata")}
    assert signing <= given["Deployment/demo-lineage"]


SINKS = (
    "settings.openmetadata.url=https://om.example.org",
    "settings.openlineage.url=http://marquez.example.org:5000/api/v1/lineage",
    "secrets.openlineage=true",
    "secrets.outside=mine",
)


def test_lineage_is_published_elsewhere_with_tokens_and_a_way_out(render: Render) -> None:
    values = ("network.outside.openmetadataServer={10.0.0.1/32}", "network.outside.openlineage={10.0.0.2/32}")
    objects = render("trial", *SINKS, *values)
    assert ways(objects) == ways(render())
    settings = told(objects)["settings"]
    assert settings["openmetadata"]["token_file"] == "/etc/lakehold/secrets/openmetadata.token"
    assert settings["openlineage"]["token_file"] == "/etc/lakehold/secrets/openlineage.token"
    given = {name: secrets_of(pod).get("mine", set()) for name, pod in pods(objects)}
    holders = {name.rpartition("-migrate-")[0] or name for name, keys in given.items() if keys}
    assert holders == {"Deployment/demo-lineage", "Job/demo-lineage"}
    assert given["Deployment/demo-lineage"] == {"openmetadata.token", "openlineage.token"}
    out = {
        (one["metadata"]["name"], peer["ipBlock"]["cidr"], rule["ports"][0]["port"])
        for one in objects
        if one["kind"] == "NetworkPolicy"
        for rule in one["spec"].get("egress", [])
        for peer in rule.get("to", [])
        if peer.get("ipBlock", {}).get("cidr", "").startswith("10.")
    }
    assert out == {("demo-lineage", "10.0.0.1/32", 443), ("demo-lineage", "10.0.0.2/32", 5000)}


def test_an_openmetadata_elsewhere_is_told_instead_of_the_one_that_is_installed(render: Render) -> None:
    objects = render("trial", *OPENMETADATA, SINKS[0])
    assert "openmetadata" not in told(objects)["hosts"]
    assert ("lineage", "openmetadata", openmetadata.PORT) not in ways(objects)


def test_a_sink_without_its_token_is_refused_by_the_name_of_the_key(
    template: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    assert "openmetadata.token" in template("trial", SINKS[0]).stderr


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
