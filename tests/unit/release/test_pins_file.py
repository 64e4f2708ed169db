"""platform/pins.toml itself: complete, open source, and without addresses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lakehold.components.registry import COMPONENTS
from lakehold.release.pins import LOCKS, PINS
from lakehold.release.pinsfile import load_pins

PINNED = load_pins()


def test_every_artifact_and_environment_of_a_component_is_pinned() -> None:
    for component in COMPONENTS:
        assert set(component.artifacts) <= PINNED.artifacts.keys(), component.name
        assert set(component.pythons) <= PINNED.envs.keys() | {"lakehold"}, component.name


def test_no_address_of_a_registry() -> None:
    text = PINS.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"\b(repo1?|maven|pypi|proxy|files|registry)\.[a-z]+\.(org|com|io)\b", text)


@pytest.mark.parametrize("name", [*PINNED.envs, "lakehold", "dev", "bootstrap"])
def test_locks_have_sums_and_no_addresses(name: str) -> None:
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, flags=re.MULTILINE)
    assert packages
    for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE):
        if re.match(r"[a-z0-9]", block):
            assert "--hash=sha256:" in block, block.splitlines()[0]
    assert "://" not in re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


def test_reasons_are_sentences_and_sizes_are_plausible() -> None:
    for pin in PINNED.artifacts.values():
        assert pin.reason.endswith("."), pin.name
        assert pin.disk > pin.size, pin.name
    for env in PINNED.envs.values():
        assert env.reason.endswith("."), env.name


def test_both_iceberg_jars_are_of_one_release_and_fit_the_pinned_spark() -> None:
    runtime, bundle = PINNED.artifacts["iceberg-spark-runtime"], PINNED.artifacts["iceberg-aws-bundle"]
    assert runtime.version == bundle.version
    spark = re.search(r"^pyspark==(\d+\.\d+)\.", (LOCKS / "engine.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert spark is not None
    assert f"-{spark[1]}_2.13" in runtime.origin


def test_nothing_in_the_code_repeats_a_version_or_a_sum() -> None:
    sources = Path(PINS).parent / "src"
    texts = {path: path.read_text(encoding="utf-8") for path in sources.rglob("*.py")}
    for pin in PINNED.artifacts.values():
        for path, text in texts.items():
            assert pin.sha256 not in text, path
            assert len(pin.version) < 5 or f'"{pin.version}"' not in text, (pin.name, path)
