"""Whatever values fit the schema, what is rendered is whole: 200 at random."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_values import TEMPLATE, values
from hypothesis import HealthCheck, given, settings


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("values") / "values.yaml"


def texts(node: Any, key: str) -> list[Any]:
    """Every value of a key, however deep."""
    if isinstance(node, dict):
        return [value for name, one in node.items() for value in ([one] if name == key else texts(one, key))]
    return [value for one in node for value in texts(one, key)] if isinstance(node, list) else []


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(given_values=values())
def test_any_values_that_fit_are_rendered_whole(helm: str, file: Path, given_values: dict[str, Any]) -> None:
    # What belongs together: keys that nobody can draw are in a Secret of its own.
    given_values.setdefault("secrets", {})["outside"] = "mine"
    if given_values.get("airflow", {}).get("executor") == "CeleryExecutor":
        given_values["spark"] = {"executors": 0}
    images = {"image": "example.org/om/server:2", "opensearch": {"image": "example.org/os/opensearch:3"}}
    given_values["openmetadata"] = {**given_values.get("openmetadata", {}), **images}
    for server in (
        given_values.get("postgres", {}).get("outside", {}),
        given_values["openmetadata"].get("database", {}),
    ):
        server["ca"] = {"configMap": "ca"} if server.get("sslmode", "").startswith("verify-") else {}
    # As JSON: the text "y" is a truth to Helm's YAML, and none to ours, which would leave its quotes out.
    file.write_text(json.dumps(given_values), encoding="utf-8")
    command = [helm, *TEMPLATE, "--values", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert len({(one["kind"], one["metadata"]["name"]) for one in objects}) == len(objects)
    # A name of digits is still a name.
    for key in ("secretName", "storageClassName", "serviceAccountName", "claimName", "name", "namespace"):
        assert [found for one in objects for found in texts(one, key) if not isinstance(found, str)] == []
