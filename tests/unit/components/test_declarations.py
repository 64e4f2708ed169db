"""What holds for every declaration: one place for each fact, secrets only where they belong, loopback only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from lakehold.components.model import Component, Http, Probe, Process, Site, Task
from lakehold.components.reference import default_ports, example_site, pinned_versions, render
from lakehold.components.registry import EVERY, component
from lakehold.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parents[3]


class Declared(Mapping[str, str]):
    """Secrets a component has declared; asking for another one fails."""

    def __init__(self, part: Component) -> None:
        self._names = part.secrets
        self._part = part.name

    def __getitem__(self, name: str) -> str:
        assert name in self._names, f"{self._part} uses the secret {name} without declaring it"
        return f"SECRET:{name}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def site_of(part: Component) -> Site:
    whole = example_site(EVERY)
    artifacts = {name: path for name, path in whole.artifacts.items() if name in part.artifacts}
    pythons = {name: path for name, path in whole.pythons.items() if name in {"lakehold", *part.pythons}}
    return dataclasses.replace(whole, secrets=Declared(part), artifacts=artifacts, pythons=pythons)


def parts_of(part: Component) -> list[Process | Task]:
    return [*part.before, *part.processes, *part.after]


each = pytest.mark.parametrize("part", EVERY, ids=lambda part: part.name)


@each
def test_it_uses_only_what_it_declares(part: Component) -> None:
    site = site_of(part)
    part.files(site)
    for one in parts_of(part):
        one.command(site)
        one.environment(site)
        if isinstance(one, Task):
            one.stdin(site)
        else:
            one.health(site)


@each
def test_no_secret_is_on_a_command_line_or_in_a_health_check(part: Component) -> None:
    site = example_site(EVERY)
    for one in parts_of(part):
        words = list(one.command(site))
        if isinstance(one, Process):
            health = one.health(site)
            words += health.command if isinstance(health, Probe) else [health.url]
        assert not [word for word in words if "SECRET:" in word], one.name


@each
def test_it_is_reached_on_loopback_only(part: Component) -> None:
    site = example_site(EVERY)
    for process in part.processes:
        health = process.health(site)
        if isinstance(health, Http):
            assert "://127.0.0.1:" in health.url
        assert "0.0.0.0" not in " ".join(process.command(site))  # noqa: S104 - what must not be there
    assert not [file.path for file in part.files(site) if "0.0.0.0" in file.text]  # noqa: S104 - as above


@each
def test_a_plan_is_the_same_each_time(part: Component) -> None:
    site = example_site(EVERY)
    assert part.files(site) == part.files(site)
    assert [one.command(site) for one in parts_of(part)] == [one.command(site) for one in parts_of(part)]
    assert [one.environment(site) for one in parts_of(part)] == [one.environment(site) for one in parts_of(part)]


@each
def test_it_needs_only_components_declared_before_it(part: Component) -> None:
    names = [other.name for other in EVERY]
    assert all(names.index(needed) < names.index(part.name) for needed in part.needs)


def test_names_ports_and_folders_are_one_component_s_own() -> None:
    ports = list(default_ports(EVERY).values())
    processes = [process.name for part in EVERY for process in part.processes]
    names = [part.name for part in EVERY]
    for values in (ports, processes, names):
        assert len(values) == len(set(values))


def test_every_artifact_is_pinned() -> None:
    assert {pin for part in EVERY for pin in part.artifacts} <= set(pinned_versions())


def test_an_unknown_component_is_named_with_the_known_ones() -> None:
    assert component("trino").name == "trino"
    with pytest.raises(ConfigError, match="postgres, objectstore"):
        component("mysql")


def test_the_reference_page_is_fresh() -> None:
    page = (REPOSITORY / "docs" / "reference" / "components.md").read_text(encoding="utf-8")
    fresh = render(EVERY, pinned_versions())
    remedy = "python -m lakehold.components.reference > docs/reference/components.md"
    assert page == fresh, f"docs/reference/components.md is stale; to mend it: {remedy}"
