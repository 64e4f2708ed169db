"""The lock of Debian packages: complete, exact, and with every need met."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lakehold.errors import ConfigError
from lakehold.images import debian
from lakehold.images.recipes import DebianSet, Recipes, load_recipes

DESCRIBED = """\
Package: libc6
Version: 2.36-9
Architecture: amd64
Size: 10
SHA256: {c}
Depends: libgcc-s1 | libgcc1
Description: the C library
 with a second line

Package: libgcc-s1
Version: 12.2
Architecture: amd64
Size: 11
SHA256: {g}
Provides: libgcc1 (= 1:12.2)
Depends: libc6 (>= 2.35)

Package: sed
Version: 4.9-1
Architecture: amd64
Size: 12
SHA256: {s}
Pre-Depends: libc6 (>= 2.34), libselinux1:any (>= 3.1~)
""".format(c="c" * 64, g="9" * 64, s="5" * 64)


def recipes(**sets: DebianSet) -> Recipes:
    return Recipes(created=datetime(2026, 11, 1, tzinfo=UTC), debian=sets, images={})


LIBC = DebianSet(reason="C", packages=("libc6", "libgcc-s1"))


def test_a_lock_reads_what_it_writes() -> None:
    sets = recipes(libc=LIBC)
    packages = debian.resolve(debian.stanzas(DESCRIBED), sets)
    assert [(one.name, one.version, one.size) for one in packages] == [
        ("libc6", "2.36-9", 10),
        ("libgcc-s1", "12.2", 11),
    ]
    assert debian.parse(debian.render(packages), sets) == packages


def test_a_need_that_no_set_meets_is_named() -> None:
    shell = DebianSet(reason="S", packages=("sed",), on=("libc",))
    with pytest.raises(ConfigError, match="sed needs libselinux1"):
        debian.resolve(debian.stanzas(DESCRIBED), recipes(libc=LIBC, shell=shell))


def test_a_need_of_scripts_only_can_be_left_out() -> None:
    shell = DebianSet(reason="S", packages=("sed",), on=("libc",), without=("libselinux1",))
    found = debian.resolve(debian.stanzas(DESCRIBED), recipes(libc=LIBC, shell=shell))
    assert [(one.set, one.name) for one in found][-1] == ("shell", "sed")


def test_an_alternative_or_what_a_package_provides_is_enough() -> None:
    described = DESCRIBED.replace("libgcc-s1 | libgcc1", "libgcc1")
    assert len(debian.resolve(debian.stanzas(described), recipes(libc=LIBC))) == 2


def test_a_package_apt_does_not_know_is_named() -> None:
    with pytest.raises(ConfigError, match="no package dash"):
        debian.resolve([], recipes(shell=DebianSet(reason="S", packages=("dash",))))


def test_a_lock_that_does_not_fit_its_sets_is_refused() -> None:
    packages = debian.resolve(debian.stanzas(DESCRIBED), recipes(libc=LIBC))
    with pytest.raises(ConfigError, match="libgcc-s1"):
        debian.parse(debian.render(packages[:1]), recipes(libc=LIBC))


@pytest.mark.parametrize(
    "line", ["libc libc6 1 amd64 10", f"libc libc6 1 amd64 ten {'c' * 64}", "libc libc6 1 amd64 1 c"]
)
def test_a_line_that_is_no_package_is_shown(line: str) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        debian.parse(line, recipes(libc=LIBC))


def test_the_lock_of_the_checkout_fits_its_recipes() -> None:
    recipes = load_recipes()
    packages = debian.parse(debian.LOCK.read_text(encoding="utf-8"), recipes)
    # A licence's text is all that gcc-12-base has.
    names = {package.name for package in packages} - {"gcc-12-base"}
    tools = ("apt", "binutils", "cpp", "dpkg", "g++", "gcc", "make", "perl")
    assert [name for name in names if name.startswith(tools)] == []
    # Users' DAGs may need one; nothing of ours does.
    assert {package.set for package in packages if package.name == "bash"} == {"bash"}
    assert [name for name, image in recipes.images.items() if "bash" in image.debian] == ["airflow"]
    assert debian.render(packages) == debian.LOCK.read_text(encoding="utf-8")
