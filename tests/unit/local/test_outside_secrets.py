"""Secrets that come from outside: files the settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from lakehold.components.model import Component, Site
from lakehold.config.settings import CatalogSettings, Settings
from lakehold.errors import ConfigError
from lakehold.local.doctor import check_sinks
from lakehold.local.secretfiles import outside_secrets, sink_secrets
from lakehold.local.site import load_site
from lakehold.tables.catalog import CREDENTIAL, TOKEN


def catalog(**files: str) -> CatalogSettings:
    return CatalogSettings.model_validate({"type": "rest", "uri": "https://catalog.example", **files})


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def read(found: Mapping[str, Callable[[], str]]) -> dict[str, str]:
    return {name: value() for name, value in found.items()}


def test_no_file_no_secret(tmp_path: Path) -> None:
    assert read(outside_secrets(CatalogSettings(), tmp_path)) == {}


def test_a_path_is_relative_to_the_checkout_and_the_last_line_end_is_no_part_of_a_secret(tmp_path: Path) -> None:
    write(tmp_path / "login", "robot:s3cret\n")
    assert read(outside_secrets(catalog(credential_file="login"), tmp_path)) == {CREDENTIAL: "robot:s3cret"}
    assert read(outside_secrets(catalog(token_file=str(tmp_path / "login")), Path("/"))) == {TOKEN: "robot:s3cret"}


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("robot:s3cret", 0o640, "open to other users"),
        ("", 0o600, "does not hold one line"),
        ("robot:s3cret\nrobot:old", 0o600, "does not hold one line"),
        ("s3cret", 0o600, "does not hold a client id"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_without_showing_it(
    tmp_path: Path, text: str, mode: int, message: str
) -> None:
    write(tmp_path / "login", text, mode)
    with pytest.raises(ConfigError, match=message) as refused:
        read(outside_secrets(catalog(credential_file="login"), tmp_path))
    assert "s3cret" not in str(refused.value)
    assert refused.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"catalog.token_file: .*missing cannot be read"):
        read(outside_secrets(catalog(token_file="missing"), tmp_path))


def test_those_who_are_told_of_lineage_have_their_tokens_in_files(tmp_path: Path) -> None:
    assert read(sink_secrets(Settings(), tmp_path)) == {}
    write(tmp_path / "bot", "a-token")
    settings = Settings.model_validate(
        {
            "openlineage": {"url": "https://marquez.example/api/v1/lineage", "token_file": "bot"},
            "openmetadata": {"url": "https://om.example", "token_file": "bot"},
        }
    )
    assert read(sink_secrets(settings, tmp_path)) == {"openlineage.token": "a-token", "openmetadata.token": "a-token"}
    write(tmp_path / "bot", "a-token", 0o644)
    with pytest.raises(ConfigError, match=r"openlineage.token_file: .*open to other users"):
        read(sink_secrets(settings, tmp_path))


@pytest.mark.parametrize(
    "section",
    [
        {"openmetadata": {"url": "https://om.example"}},
        {"openmetadata": {"token_file": "bot"}},
        {"openmetadata": {"url": "https://om.example", "token_file": "bot", "service": "a.b"}},
        {"openlineage": {"token_file": "bot"}},
        {"openlineage": {"ca_file": "ca.pem"}},
    ],
)
def test_half_a_sink_is_refused(section: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match=r"token_file|service"):
        Settings.model_validate(section)


@pytest.mark.parametrize(
    "url", ["marquez.example", "ftp://marquez.example/", "http://me:secret@marquez.example/", "http://", "htps://a/b"]
)
def test_an_address_that_cannot_be_meant_is_refused_before_anything_starts(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        Settings.model_validate({"openlineage": {"url": url}})
    with pytest.raises(ValueError, match="url"):
        Settings.model_validate({"openmetadata": {"url": url, "token_file": "bot"}})


def site(folder: Path, **settings: object) -> Site:
    components: tuple[Component, ...] = ()
    return load_site(Settings.model_validate({"state": folder / "state", **settings}), folder, components=components)


def test_an_outside_object_store_is_not_for_one_machine(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"s3\.endpoint: .* for clusters"):
        site(tmp_path, s3={"endpoint": "https://s3.example.org"})
    assert not (tmp_path / "state").exists()


def test_a_verb_that_needs_no_token_works_without_its_file(tmp_path: Path) -> None:
    found = site(tmp_path, openmetadata={"url": "https://om.example", "token_file": "bot"})
    assert list(found.secrets) == ["openmetadata.token"]
    with pytest.raises(ConfigError, match=r"openmetadata.token_file: .*bot cannot be read"):
        found.secrets["openmetadata.token"]
    write(tmp_path / "bot", "a-token")
    assert found.secrets["openmetadata.token"] == "a-token"


@pytest.mark.parametrize(
    ("url", "level"),
    [("http://om.example", "warning"), ("https://om.example", "ok"), ("http://127.0.0.1:8585", "ok")],
)
def test_doctor_sees_a_token_that_others_can_read_on_the_way(tmp_path: Path, url: str, level: str) -> None:
    write(tmp_path / "bot", "a-token")
    (finding,) = check_sinks(site(tmp_path, openmetadata={"url": url, "token_file": "bot"}))
    assert (finding.subject, finding.level) == ("openmetadata", level)
    (tmp_path / "bot").unlink()
    (finding,) = check_sinks(site(tmp_path, openmetadata={"url": url, "token_file": "bot"}))
    assert (finding.level, "cannot be read" in finding.text) == ("problem", True)
