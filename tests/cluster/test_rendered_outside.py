"""What production adds as rendered: how PostgreSQL is verified, and whom lineage is published to."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from lakehold.cluster import openmetadata
from rendered import FACTS, SEARCH, Manifest, jobs, pods, secrets_of, told, ways

Render = Callable[..., list[Manifest]]

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
    assert told(objects)["sslmode"] == "verify-full"


def test_another_authority_starts_everything_again(render: Render) -> None:
    names = [jobs(render("production", VERIFIED, f"postgres.outside.ca.secret={one}")) for one in ("one", "two")]
    assert {name.rpartition("-")[0] for name in names[1] - names[0]} >= {"demo-postgres-roles", "demo-lineage-migrate"}


def test_the_bundled_postgres_is_asked_for_no_certificate(render: Render) -> None:
    objects = render("trial", VERIFIED, "postgres.outside.ca.secret=rds")
    assert authorities(objects) == {}
    assert told(objects)["sslmode"] == ""


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


OPENMETADATA = (
    "openmetadata.enabled=true",
    "openmetadata.image=example.org/om/server:2.0.1",
    "openmetadata.opensearch.image=example.org/os/opensearch:3.8.0",
    "secrets.outside=mine",
)


def test_openmetadata_is_reached_by_the_lineage_service_and_by_nobody_else(render: Render) -> None:
    own = ("openmetadata", "openmetadata-setup")
    assert ways(render("trial", *OPENMETADATA)) - ways(render()) == {
        ("lineage", "openmetadata", openmetadata.PORT),
        *((one, "opensearch", SEARCH) for one in own),
        *((one, "postgres", FACTS["postgres"]["port"]) for one in own),
    }


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
