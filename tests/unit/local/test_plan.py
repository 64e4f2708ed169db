from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lakehold.components.model import Component, ConfigFile, Http, Process, Site, Task
from lakehold.config.settings import Settings
from lakehold.errors import ConfigError
from lakehold.local.plan import Identity, dependents, levels, owned_folders, plan_component, select


def part(name: str, *needs: str) -> Component:
    return Component(name=name, summary=name, needs=needs)


@st.composite
def graphs(draw: st.DrawFn) -> list[Component]:
    """Components without a circle, in any order of declaration."""
    count = draw(st.integers(1, 8))
    made = []
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1))) if number else set()
        made.append(part(f"c{number}", *(f"c{need}" for need in sorted(needs))))
    return draw(st.permutations(made))


@given(graphs())
def test_levels_start_needs_first_and_everything_once(components):
    result = levels(components)
    done: set[str] = set()
    for level in result:
        assert all(set(component.needs) <= done for component in level)
        done |= {component.name for component in level}
    assert sorted(component.name for level in result for component in level) == sorted(c.name for c in components)


@given(graphs())
def test_levels_are_as_parallel_as_they_can_be(components):
    result = levels(components)
    for earlier, later in itertools.pairwise(result):
        names = {component.name for component in earlier}
        assert all(set(component.needs) & names for component in later)


@given(graphs(), st.data())
def test_selecting_brings_all_needs_and_dependents_all_that_need(components, data):
    name = data.draw(st.sampled_from([component.name for component in components]))
    chosen = {component.name for component in select(components, [name])}
    assert name in chosen
    assert all(set(component.needs) <= chosen for component in components if component.name in chosen)
    gone = {component.name for component in dependents(components, [name])}
    assert name in gone
    assert all(not set(component.needs) & gone for component in components if component.name not in gone)
    assert all(name in {c.name for c in select(components, [other])} for other in gone)


def test_no_name_means_everything():
    components = [part("a"), part("b", "a")]
    assert select(components, []) == components
    assert dependents(components, []) == components


def test_a_circle_is_refused():
    with pytest.raises(ConfigError, match="need each other in a circle: a, b"):
        levels([part("a", "b"), part("b", "a")])


def test_an_unknown_name_is_refused_with_a_suggestion():
    for verb in (select, dependents):
        with pytest.raises(ConfigError, match=r'did you mean "trino"\?'):
            verb([part("trino"), part("postgres")], ["trinoo"])


def site(**changes: object) -> Site:
    values: dict[str, object] = {
        "settings": Settings(),
        "checkout": Path("/checkout"),
        "state": Path("/checkout/.lakehold"),
        "artifacts": {},
        "pythons": {},
        "ports": {"web": 1},
        "secrets": {"web.password": "hush"},
    }
    return Site(**{**values, **changes})  # type: ignore[arg-type]  # a mapping of a frozen dataclass's own fields


WEB = Component(
    name="web",
    summary="a web server",
    files=lambda s: [ConfigFile(path="a.conf", text=f"port={s.ports['web']}")],
    owns=("data/web", "work/web"),
    before=(
        Task(
            name="web-init", command=lambda _s: ["init"], stdin=lambda s: s.secrets["web.password"], unprivileged=True
        ),
    ),
    processes=(
        Process(
            name="web",
            command=lambda s: ["serve", str(s.ports["web"])],
            environment=lambda _s: {"HOME": "/mine"},
            health=lambda _s: Http(url="http://127.0.0.1:1/"),
            memory_mb=1,
            stop_signal="INT",
        ),
    ),
)
NOBODY = Identity(user="nobody", group="65534", capabilities=("dac_read_search",))


def test_a_process_gets_a_small_known_environment_and_its_mark():
    plan = plan_component(WEB, site(), None, "")
    ((_process, spec),) = plan.processes
    assert spec.environment["HOME"] == "/mine"
    assert spec.environment["LAKEHOLD_STATE"] == "/checkout/.lakehold"
    assert spec.environment["LAKEHOLD_PROCESS"] == "web"
    assert set(spec.environment) == {
        "PATH", "HOME", "TMPDIR", "LANG", "PYTHONUNBUFFERED", "SPT_NOENV", "LAKEHOLD_STATE", "LAKEHOLD_PROCESS",
    }  # fmt: skip
    assert (spec.command, spec.stop_signal, spec.user) == (["serve", "1"], "INT", None)
    assert spec.directory == "/checkout/.lakehold"


def test_another_user_only_where_it_is_asked_for_and_we_are_root():
    plan = plan_component(WEB, site(), NOBODY, "")
    assert plan.before[0][1].user == "nobody"
    assert plan.before[0][1].capabilities == ("dac_read_search",)
    assert plan.processes[0][1].user is None


def fingerprint(component: Component = WEB, at: Site | None = None, certificate: str = "") -> str:
    return plan_component(component, at or site(), None, certificate).processes[0][1].fingerprint


def test_a_fingerprint_changes_with_what_the_process_reads_and_with_nothing_else():
    assert fingerprint() == fingerprint()
    assert fingerprint() != fingerprint(at=site(ports={"web": 2}))
    assert fingerprint() == fingerprint(at=site(secrets={"web.password": "other"}))
    assert fingerprint() == fingerprint(certificate="renewed")


def test_a_renewed_certificate_concerns_only_those_that_name_it():
    secure = dataclasses.replace(WEB, files=lambda s: [ConfigFile(path="tls", text=str(s.tls / "server.pem"))])
    assert fingerprint(secure) != fingerprint(secure, certificate="renewed")


def test_owned_folders_are_named_once():
    assert owned_folders(WEB, site()) == [
        Path("/checkout/.lakehold") / name for name in ("conf/web", "data/web", "work/web")
    ]
