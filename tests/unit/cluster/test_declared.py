"""The facts the templates read are those of the declarations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lakehold.cluster import configure, layout
from lakehold.cluster.declared import declared, example, mentioned
from lakehold.cluster.values import SettingsPart
from lakehold.components.generated import generate
from lakehold.components.model import Component, Site
from lakehold.components.openmetadata_tokens import KEY_ID, RSA
from lakehold.components.registry import COMPONENTS
from lakehold.components.spark import SPARK

FACTS = declared(COMPONENTS)["components"]

# DESIGN: who talks to whom. A change of it opens a way through the cluster's network policies.
TALKS = {
    "postgres": set(),
    "objectstore": set(),
    "lineage": {"postgres", "objectstore", "trino"},
    "trino": {"postgres", "objectstore", "lineage"},
    "trino-worker": {"postgres", "objectstore", "trino"},
    # Its processes have pods of their own and find each other by the API server.
    "airflow": {"postgres", "objectstore", "lineage", "trino", "airflow"},
    "airflow-worker": {"postgres", "objectstore", "lineage", "trino", "airflow"},
}


def test_who_talks_to_whom_is_what_we_think_it_is() -> None:
    assert {name: set(facts["talks"]) for name, facts in FACTS.items()} == TALKS


@pytest.mark.parametrize("part", [part for part in COMPONENTS if part.processes], ids=lambda part: part.name)
def test_a_component_finds_others_by_their_service_only(part: Component) -> None:
    site = example(COMPONENTS)
    own = site.ports[part.name]
    for name, port in site.ports.items():
        if port != own:
            assert f"127.0.0.1:{port}" not in mentioned(part, site), f"{part.name} looks for {name} in its own pod"


def test_what_a_component_is_told_by_a_setting_is_in_a_section_it_names() -> None:
    """A setting that is not in the sums of a component's pods would change and not arrive."""
    bare = example(COMPONENTS)
    hosts = {**bare.hosts, "openmetadata": "host-of-openmetadata"}
    secrets = {**bare.secrets, "openmetadata.token": "t", RSA: generate(RSA), KEY_ID: "k"}
    site = replace(bare, hosts=hosts, secrets=secrets, ports={**bare.ports, "openmetadata": 8585})
    changed = {
        "trino": {"heap": "3G", "query_max_memory": "2GB"},
        "spark": {"driver_heap": "3g", "cores": 7},
        "airflow": {"parallelism": 9, "tuned": False, "url": "https://flows.example.org"},
        "catalog": {
            "type": "rest",
            "name": "other",
            "warehouse": "s3://other/",
            "uri": "https://c.example.org",
            "rest_warehouse": "other",
            "oauth2_uri": "https://o.example.org",
            "oauth2_scope": "other",
        },
        "s3": {
            "endpoint": "https://s3.example.org",
            "region": "there",
            "access_keys": {"trino": "AKIA"},
            "landing_bucket": "other-in",
            "quarantine_bucket": "other-out",
            "logs_bucket": "other-logs",
        },
        "lineage": {"events_days": 1, "history_days": 2, "close_hours": 3, "trusted_users": "a"},
        "openlineage": {"url": "https://o.example.org"},
        "openmetadata": {"url": "https://m.example.org", "service": "other"},
    }
    assert {name: set(part) for name, part in changed.items()} == {
        name: set(part) for name, part in SettingsPart().model_dump().items()
    }
    for section, keys in changed.items():
        before = plans(with_setting(site, section))
        for key, value in keys.items():
            after = plans(with_setting(site, section, **{key: value}))
            for name in CONFIGURED:
                assert after[name] == before[name] or section in FACTS[name]["settings"], (name, section, key)


CONFIGURED = {
    **{part.name: [part] for part in COMPONENTS if part.processes},
    **{name: [part] for name, part in configure.WORKERS.items()},
}
CONFIGURED["airflow-worker"].append(SPARK)
"""What a pod with this name is configured as."""


def plans(site: Site) -> dict[str, list[configure.Plan]]:
    """What everybody's pod would be given."""
    return {name: [configure.plan(part, site) for part in parts] for name, parts in CONFIGURED.items()}


def with_setting(site: Site, section: str, **update: Any) -> Site:
    """The site with a setting; of a REST catalog, which has more of them, unless its type is the one that changes."""
    needed = {"uri": "https://catalog.example.org"} if section == "catalog" else {}
    kind = {"type": "rest"} if section == "catalog" and "type" not in update else {}
    own = getattr(site.settings, section).model_copy(update={**needed, **kind, **update})
    return replace(site, settings=site.settings.model_copy(update={section: own}))


def test_a_setting_of_one_component_is_no_reason_to_start_all_of_them_again() -> None:
    assert {name: facts["settings"] for name, facts in FACTS.items()} == {
        "postgres": [],
        "objectstore": ["catalog", "s3"],
        # Of Airflow's the address people open it at, to which it links.
        "lineage": ["airflow", "catalog", "lineage", "openlineage", "openmetadata", "s3"],
        "trino": ["catalog", "s3", "trino"],
        "trino-worker": ["catalog", "s3", "trino"],
        "airflow": ["airflow", "catalog", "s3"],
        # It runs Spark in its own pod.
        "airflow-worker": ["airflow", "catalog", "s3", "spark"],
    }  # fmt: skip


def test_every_process_has_a_probe_and_listens_where_a_kubelet_asks() -> None:
    for facts in FACTS.values():
        for process in facts["processes"].values():
            (kind,) = process["probe"]
            assert kind in ("exec", "httpGet")
            if kind == "httpGet":
                assert process["probe"]["httpGet"]["port"] == facts["port"]


def test_an_answer_that_must_be_read_is_asked_for_with_the_authority() -> None:
    command = FACTS["trino"]["processes"]["trino"]["probe"]["exec"]["command"]
    assert command[-3:] == ["https://127.0.0.1:18443/v1/info", "/var/lib/lakehold/tls/ca.pem", '"starting":false']


def test_a_probe_needs_no_environment_that_its_image_lacks() -> None:
    command = FACTS["postgres"]["processes"]["postgres"]["probe"]["exec"]["command"]
    assert command[0] == layout.SYSTEM_PYTHON


def test_only_what_changes_its_own_disk_runs_in_a_component_s_pod() -> None:
    assert FACTS["postgres"]["init"] == ["postgres-initdb"]
    assert set(FACTS["postgres"]["jobs"]) == {"postgres-roles"}
    assert FACTS["lineage"]["init"] == []
    assert FACTS["lineage"]["waits"] == ["lineage-migrate"]
    assert FACTS["airflow"]["waits"] == ["airflow-prepare"]


def test_a_job_waits_for_what_its_work_is_done_on() -> None:
    needs = {task: job["needs"] for facts in FACTS.values() for task, job in facts["jobs"].items()}
    assert needs == {
        "postgres-roles": ["postgres"],
        "objectstore-users": ["objectstore"],
        "lineage-migrate": ["postgres"],
        "trino-schemas": ["postgres", "objectstore", "trino"],
        "airflow-prepare": ["postgres"],
    }


def test_only_who_shows_the_certificate_is_given_its_key() -> None:
    assert {name: facts["tls"] for name, facts in FACTS.items()} == {
        "postgres": "", "objectstore": "", "lineage": "client", "trino": "server", "trino-worker": "server",
        "airflow": "client", "airflow-worker": "client",
    }  # fmt: skip


def test_who_listens_nowhere_says_when_it_is_dead_and_not_that_others_are() -> None:
    for name in ("airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"):
        process = FACTS["airflow"]["processes"][name]
        assert not process["serves"]
        assert process["alive"]["exec"]["command"][-1] == "--unless-unknown"
        assert process["probe"]["exec"]["command"][-1] != "--unless-unknown"


def test_what_only_helps_on_one_machine_is_not_run() -> None:
    assert set(FACTS["airflow"]["processes"]) == {
        "airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
    }  # fmt: skip


def test_a_task_has_the_secrets_of_what_it_is_configured_for() -> None:
    tasks = declared(COMPONENTS)["tasks"]
    assert tasks["configured"] == ["airflow-task", "spark"]
    assert {"postgres.spark", "s3.engine", "lineage.token"} <= set(tasks["secrets"])
    assert not {"postgres.superuser", "postgres.airflow", "s3.root", "trino.admin"} & set(tasks["secrets"])
    assert not [name for name in tasks["secrets"] if name.startswith("airflow.")]


def test_no_secret_is_among_the_facts() -> None:
    assert "secret-" not in str(declared(COMPONENTS))
