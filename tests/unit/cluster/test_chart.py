"""What of the chart is generated is fresh, and its values fit their schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from lakehold import __version__
from lakehold.cluster.chart import CHART, files, main, schema, stale, values_yaml
from lakehold.cluster.pod import settings_of
from lakehold.cluster.values import Values
from lakehold.config.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[3]
PROFILES = sorted((REPOSITORY / CHART / "profiles").glob("*.yaml"))


def defaults() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(values_yaml(Values()))
    return loaded


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """One values file on top of another, as Helm does it."""
    result = dict(base)
    for key, value in over.items():
        result[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return result


def complaints(values: dict[str, Any]) -> list[str]:
    """What the schema has against these values, by path."""
    found = jsonschema.Draft7Validator(schema()).iter_errors(values)
    return sorted(".".join(map(str, error.absolute_path)) for error in found)


def test_the_generated_files_are_fresh() -> None:
    remedy = "python -m lakehold.cluster.chart ."
    assert stale(REPOSITORY) == [], f"to mend it: {remedy}"


def test_a_stale_file_is_named_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    (tmp_path / CHART / "values.yaml").write_text("mine: true\n", encoding="utf-8")
    assert main(["--check", str(tmp_path)]) == 1
    assert "helm/lakehold/values.yaml is stale" in capsys.readouterr().out
    assert (tmp_path / CHART / "values.yaml").read_text(encoding="utf-8") == "mine: true\n"


def test_generating_twice_gives_the_same() -> None:
    assert files() == files()


def test_the_schema_is_one_and_the_defaults_fit_it() -> None:
    jsonschema.Draft7Validator.check_schema(schema())
    assert complaints(defaults()) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_a_profile_fits_the_schema(profile: Path) -> None:
    assert complaints(merged(defaults(), yaml.safe_load(profile.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"trino": {"heap": "2G"}}, "trino"),
        ({"settings": {"trino": {"heap": "much"}}}, "settings.trino.heap"),
        ({"lineage": {"replicas": 0}}, "lineage.replicas"),
        ({"images": {"trino": {"digest": "sha256:short"}}}, "images.trino.digest"),
        ({"postgres": {"resources": {"limits": {"memory": "-1"}}}}, "postgres.resources.limits.memory"),
        ({"postgresql": {}}, ""),
    ],
)
def test_wrong_values_are_refused_by_their_path(wrong: dict[str, Any], path: str) -> None:
    assert path in complaints(merged(defaults(), wrong))


def test_numbers_of_cores_may_be_written_as_everybody_writes_them() -> None:
    assert complaints(merged(defaults(), {"trino": {"resources": {"limits": {"cpu": 2}}}})) == []


def test_the_settings_of_the_chart_are_those_of_a_machine() -> None:
    values = defaults()["settings"]
    for section in ("airflow", "openlineage", "openmetadata"):
        assert values[section].pop("url") == ""  # the templates fill it in, or leave it out
    settings = settings_of(values)
    # Where a pod listens, keeps its state and shows its pages is a cluster's own.
    own: Any = {"bind": True, "state": True, "airflow": {"url"}}
    assert settings.model_dump(exclude=own) == Settings().model_dump(exclude=own)


def test_no_default_is_a_password_or_a_floating_tag() -> None:
    text = values_yaml(Values())
    assert "latest" not in text
    assert defaults()["secrets"] == {"existingSecret": "", "outside": "", "catalog": "none", "openlineage": False}


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((REPOSITORY / CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_schema_on_disk_is_json() -> None:
    assert json.loads(files()[CHART / "values.schema.json"])["additionalProperties"] is False
