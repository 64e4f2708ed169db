"""Whatever values fit the schema, what is rendered is whole and is what Kubernetes takes: 200 files at random."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from chart_values import TEMPLATE, read, values
from hypothesis import HealthCheck, given, settings
from node import checks, layout
from real_cluster import Object

FILES = 200


@pytest.fixture(scope="module")
def rendered(helm: str, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """Every object that differs from all others, of all files; each file has been looked at as a whole."""
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    found: dict[str, Object] = {}
    files = 0

    @settings(max_examples=FILES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(values())
    def render(some: dict[str, Any]) -> None:
        nonlocal files
        files += 1
        for one in _rendered_whole(helm, file, some):
            found[json.dumps(one, sort_keys=True)] = one

    render()
    assert files >= FILES
    return list(found.values())


def _rendered_whole(helm: str, file: Path, some: dict[str, Any]) -> list[Object]:
    # As JSON: the text "y" is a truth to Helm's YAML, and none to ours, which would leave its quotes out.
    file.write_text(json.dumps(some), encoding="utf-8")
    done = subprocess.run([helm, *TEMPLATE, "--values", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    objects = read(done.stdout)
    assert len({(one["kind"], one["metadata"]["name"]) for one in objects}) == len(objects)
    return objects


def texts(node: Any, key: str) -> list[Any]:
    """Every value of a key, however deep."""
    if isinstance(node, dict):
        return [value for name, one in node.items() for value in ([one] if name == key else texts(one, key))]
    return [value for one in node for value in texts(one, key)] if isinstance(node, list) else []


def test_a_name_of_digits_is_still_a_name(rendered: list[Object]) -> None:
    for key in ("secretName", "storageClassName", "serviceAccountName", "claimName", "name", "namespace"):
        assert [found for one in rendered for found in texts(one, key) if not isinstance(found, str)] == []


def test_every_object_is_one_its_schema_allows(rendered: list[Object]) -> None:
    said = checks.conform(layout.default(), json.dumps({"apiVersion": "v1", "kind": "List", "items": rendered}))
    assert said["summary"]["valid"] == len(rendered), said["resources"][:5]


def test_an_auditor_has_nothing_to_say(rendered: list[Object], tmp_path: Path) -> None:
    (tmp_path / "rendered.yaml").write_text("\n---\n".join(map(json.dumps, rendered)), encoding="utf-8")
    assert checks.audit(tmp_path) == []


def test_the_api_server_would_take_every_object(
    rehearse: Callable[[Sequence[Object]], None], rendered: list[Object]
) -> None:
    rehearse(rendered)
