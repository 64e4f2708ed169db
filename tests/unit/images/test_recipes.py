"""The recipes: what declarations need is in the image that runs them."""

from __future__ import annotations

from pathlib import Path

import pytest
from lakehold.cluster import layout
from lakehold.components.model import Component
from lakehold.components.registry import COMPONENTS
from lakehold.errors import ConfigError
from lakehold.images.recipes import command, load_recipes, variables, with_platform
from lakehold.release.pinsfile import load_pins

RECIPES = load_recipes()
HEAD = "created = 2026-01-01T00:00:00Z\n"
PINS = with_platform(load_pins())


@pytest.mark.parametrize("part", [part for part in COMPONENTS if part.processes], ids=lambda part: part.name)
def test_an_image_has_what_its_component_declares(part: Component) -> None:
    image = RECIPES.image(layout.IMAGES[part.name])
    assert set(part.artifacts) <= set(image.artifacts)
    # What the platform's own environment does for a component runs in the platform's image.
    pythons = {layout.ENVIRONMENTS.get(name, name) for name in part.pythons if name != layout.LAKEHOLD}
    assert pythons <= set(image.envs)


def test_spark_has_the_same_in_its_image_and_in_the_workers() -> None:
    spark = next(part for part in COMPONENTS if part.name == "spark")
    for name in ("spark", "airflow"):
        image = RECIPES.image(name)
        assert set(spark.artifacts) <= set(image.artifacts)
        assert set(spark.pythons) <= set(image.envs)


def test_the_platform_has_its_environment() -> None:
    assert layout.LAKEHOLD in RECIPES.image(layout.PLATFORM).envs


def test_every_image_has_the_python_that_starts_its_processes() -> None:
    packages = {name: RECIPES.debian[name].packages for name in RECIPES.debian}
    for image in RECIPES.images.values():
        assert "python3.11-minimal" in [package for name in image.debian for package in packages[name]]


def test_commands_name_paths_of_the_image() -> None:
    found = command(("{jdk-25}/bin/java", "{engine}/bin/python", "-m", "x"), PINS)
    assert found == [str(layout.STORE / "jdk-25" / "bin" / "java"), str(layout.python("engine")), "-m", "x"]
    assert variables(RECIPES.image("spark"), PINS)["JAVA_HOME"] == str(layout.STORE / "jdk-21")


def test_every_command_of_the_recipes_can_be_resolved() -> None:
    for image in RECIPES.images.values():
        for words in (image.command, image.entrypoint):
            assert [word for word in command(words, PINS) if "{" in word] == []


def test_an_unknown_image_is_named() -> None:
    with pytest.raises(ConfigError, match="no image called 'trin'"):
        RECIPES.image("trin")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEAD}[debian]\n[images.x]\nsummary='s'\ndebian=['c']\n", "there is no set 'c'"),
        (f"{HEAD}images={{}}\n[debian.a]\nreason='r'\npackages=['p']\non=['b']\n", "'b' is no set"),
        (f"{HEAD}images={{}}\n[debian.a]\nreason='r'\npackages=['p']\nnope=1\n", "debian.a.nope"),
        ("not toml", "Cannot read"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "images.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_recipes(path)
    assert words in str(error.value)
