from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lakehold.config.loader import environment_overrides, find_checkout, load_settings
from lakehold.config.settings import Settings
from lakehold.errors import ConfigError


def settings_of(tmp_path: Path, text: str, **environ: str) -> Settings:
    (tmp_path / "lakehold.toml").write_text(text)
    return load_settings(tmp_path, environ)


def test_no_file_means_defaults(tmp_path):
    assert load_settings(tmp_path, {}) == Settings()


def test_the_environment_comes_on_top_of_the_file(tmp_path):
    text = 'state = "here"\n[trino]\nheap = "3G"\n[ports]\npostgres = 1000\n"airflow.log" = 1001\n'
    settings = settings_of(
        tmp_path, text, LAKEHOLD_TRINO_HEAP="4G", LAKEHOLD_PORTS_POSTGRES="2000", LAKEHOLD_STATE="/x"
    )
    assert (settings.trino.heap, settings.state) == ("4G", Path("/x"))
    assert settings.ports == {"postgres": 2000, "airflow.log": 1001}


def test_a_variable_can_name_a_port_with_a_dot():
    assert environment_overrides({"LAKEHOLD_PORTS_AIRFLOW__LOG": "1"}) == {
        ("ports", "airflow.log"): ("1", "LAKEHOLD_PORTS_AIRFLOW__LOG")
    }


@pytest.mark.parametrize(
    "name",
    [
        "LAKEHOLD_STORE",
        "LAKEHOLD_PLATFORM",
        "LAKEHOLD_PROCESS",
        "LAKEHOLD_TRINO_PASSWORD",
        "LAKEHOLD_TRINO_HOST",
        "HOME",
    ],
)
def test_other_variables_are_left_alone(name):
    assert environment_overrides({name: "x"}) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[trino]\nheep = "2G"\n', 'lakehold.toml:2: trino.heep: unknown key, did you mean "heap"?'),
        ('stat = "x"\n', 'lakehold.toml:1: stat: unknown key, did you mean "state"?'),
        ("\n\n[trinoo]\n", 'lakehold.toml:3: trinoo: unknown key, did you mean "trino"?'),
        ('trino.heep = "2G"\n', 'lakehold.toml:1: trino.heep: unknown key, did you mean "heap"?'),
        ("[spark]\nxyzzy = 1\n", "lakehold.toml:2: spark.xyzzy: unknown key; known: driver_heap, cores"),
        ('[ports]\n"airflow.log" = "many"\n', "lakehold.toml:2: ports.airflow.log:"),
        (
            "[airflow]\nparallelism = 0\n",
            "lakehold.toml:2: airflow.parallelism: Input should be greater than or equal to 1",
        ),
        ("[trino]\nheap = '2 G'\n", "lakehold.toml:2: trino.heap: String should match pattern"),
    ],
)
def test_a_wrong_key_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(ConfigError) as raised:
        settings_of(tmp_path, text)
    assert message in raised.value.what
    assert raised.value.exit_code == 3


def test_a_wrong_variable_is_named(tmp_path):
    with pytest.raises(ConfigError) as raised:
        settings_of(tmp_path, "", LAKEHOLD_TRINO_HEEP="3G")
    assert raised.value.what == (
        'environment variable LAKEHOLD_TRINO_HEEP: trino.heep: unknown key, did you mean "heap"?'
    )


def test_several_mistakes_are_all_told(tmp_path):
    with pytest.raises(ConfigError) as raised:
        settings_of(tmp_path, "[trino]\nheep = 1\n[spark]\ncors = 1\n")
    assert raised.value.what == "2 settings are wrong."
    assert "trino.heep" in raised.value.why
    assert "lakehold.toml:4: spark.cors" in raised.value.why


def test_a_file_that_is_no_toml(tmp_path):
    with pytest.raises(ConfigError, match=r"is not valid TOML") as raised:
        settings_of(tmp_path, "[trino\n")
    assert "line 1" in raised.value.why


@given(st.text(max_size=60))
def test_any_text_is_settings_or_a_config_error(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    (folder / "lakehold.toml").write_text(text, encoding="utf-8", errors="replace", newline="")
    with contextlib.suppress(ConfigError):
        assert isinstance(load_settings(folder, {}), Settings)


def test_the_checkout_is_found_from_below(tmp_path):
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform" / "pins.toml").touch()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_checkout(below) == tmp_path
    with pytest.raises(ConfigError, match="is not inside a Lakehold checkout"):
        find_checkout(Path("/"))
