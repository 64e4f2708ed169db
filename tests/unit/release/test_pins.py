"""Parsing a pins' file: what is right is kept, what is wrong is named by its path."""

from __future__ import annotations

from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from lakehold.errors import ConfigError
from lakehold.release.licences import OPEN_DATA, OSI_APPROVED, unapproved
from lakehold.release.pins import JarsPin
from lakehold.release.pinsfile import parse_pins

SUM = "0" * 64
GOOD: dict[str, Any] = {
    "kind": "maven",
    "coordinates": "org.example:thing",
    "version": "1.0",
    "sha256": SUM,
    "size": 10,
    "tree": SUM,
    "disk": 20,
    "license": "MIT",
    "reason": "A reason.",
}


def pins_text(**artifacts: dict[str, Any]) -> str:
    return tomlkit.dumps({"artifacts": artifacts})


names = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
sums = st.text("0123456789abcdef", min_size=64, max_size=64)
words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1)


@given(
    name=names,
    entry=st.fixed_dictionaries(
        {
            "kind": st.just("maven"),
            "coordinates": st.just("org.example:thing"),
            "version": words,
            "sha256": sums,
            "tree": sums,
            "size": st.integers(1, 2**40),
            "disk": st.integers(1, 2**40),
            "license": st.sampled_from(sorted(OSI_APPROVED)),
            "reason": words,
        },
        optional={"group": st.sampled_from(["runtime", "build", "test"]), "line": words},
    ),
)
def test_what_is_written_is_what_is_read(name: str, entry: dict[str, Any]) -> None:
    pin = parse_pins(pins_text(**{name: entry})).artifact(name)
    read = pin.model_dump()
    assert {key: read[key] for key in entry} == entry
    assert pin.name == name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sha256": "abc"}, "artifacts.thing.sha256"),
        ({"sha256": SUM.upper().replace("0", "A")}, "artifacts.thing.sha256"),
        ({"size": 0}, "artifacts.thing.size"),
        ({"verison": "1"}, "artifacts.thing.verison"),
        ({"kind": "http"}, "artifacts.thing"),
        ({"coordinates": "just-a-name"}, "artifacts.thing.coordinates"),
        ({"license": "SSPL-1.0"}, "SSPL-1.0"),
        ({"license": "MIT AND BUSL-1.1"}, "BUSL-1.1"),
        ({"unpack": {"format": "zip", "subtree": "../.."}}, "leaves the artifact"),
        ({"unpack": {"write": {"/etc/passwd": "x"}}}, "leaves the artifact"),
        ({"unpack": {"formt": "zip"}}, "artifacts.thing.unpack.formt"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pins(pins_text(thing=GOOD | change))
    assert says in str(caught.value)


@pytest.mark.parametrize("key", ["version", "sha256", "tree", "size", "disk", "license", "reason", "kind"])
def test_every_field_is_required(key: str) -> None:
    entry = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(ConfigError, match=r"artifacts\.thing"):
        parse_pins(pins_text(thing=entry))


@given(text=st.text())
def test_no_text_breaks_the_parser_in_another_way(text: str) -> None:
    try:
        parse_pins(text)
    except ConfigError:
        return


def test_unknown_names_come_with_the_nearest() -> None:
    pins = parse_pins(pins_text(thing=GOOD))
    with pytest.raises(ConfigError, match='did you mean "thing"'):
        pins.artifact("thin")
    with pytest.raises(ConfigError, match="no Python environment called 'airflow'"):
        pins.env("airflow")


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ConfigError, match='did you mean "artifacts"'):
        parse_pins("[artifact.x]\nversion = '1'\n")


def test_a_go_program_needs_the_toolchain() -> None:
    entry = {key: value for key, value in GOOD.items() if key != "coordinates"}
    entry |= {"kind": "go", "module": "example.org/m", "package": "example.org/m/cmd/thing"}
    with pytest.raises(ConfigError, match="'go'"):
        parse_pins(pins_text(thing=entry))


def test_a_licence_that_is_not_open_source_stays_out_of_what_runs() -> None:
    for group in ("runtime", "build", "data"):
        with pytest.raises(ConfigError, match="not OSI-approved"):
            parse_pins(pins_text(thing=GOOD | {"license": "Elastic-2.0", "group": group}))
    assert parse_pins(pins_text(thing=GOOD | {"license": "Elastic-2.0", "group": "test"}))
    assert parse_pins(pins_text(thing=GOOD | {"license": "CC0-1.0", "group": "data"}))
    with pytest.raises(ConfigError, match="not OSI-approved"):
        parse_pins(pins_text(thing=GOOD | {"license": "CC0-1.0", "group": "runtime"}))


@given(
    approved=st.lists(st.sampled_from(sorted(OSI_APPROVED)), min_size=1),
    other=st.sampled_from(["SSPL-1.0", "Elastic-2.0"]),
)
def test_expressions(approved: list[str], other: str) -> None:
    assert unapproved(" AND ".join(approved)) == []
    assert unapproved(" OR ".join([other, *approved])) == []
    assert unapproved(" AND ".join([*approved, other])) == [other]
    assert unapproved("GPL-2.0-only WITH Classpath-exception-2.0") == []
    assert not OSI_APPROVED & OPEN_DATA


def test_a_class_path_names_each_jar_with_its_sum() -> None:
    entry = {key: value for key, value in GOOD.items() if key not in ("coordinates", "sha256", "size")}
    jars = {"org.example:thing:1.0:fat": {"sha256": SUM, "size": 3}, "org.example:other:2": {"sha256": SUM, "size": 4}}
    pin = parse_pins(pins_text(thing=entry | {"kind": "jars", "jars": jars})).artifact("thing")
    assert (pin.size, pin.single, pin.origin) == (7, False, "Maven org.example:thing and 1 more")
    assert isinstance(pin, JarsPin)
    assert [file.filename for file in pin.files] == ["thing-1.0-fat.jar", "other-2.jar"]
    for bad in ({}, {"thing:1": {"sha256": SUM, "size": 1}}, {"org.example:thing:1.0": {"sha256": "0", "size": 1}}):
        with pytest.raises(ConfigError, match=r"artifacts\.thing"):
            parse_pins(pins_text(thing=entry | {"kind": "jars", "jars": bad}))
