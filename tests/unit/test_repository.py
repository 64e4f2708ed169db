"""The shape of the repository: what a reader may rely on wherever they look."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("platform", "dags", "jobs", "dbt_project", "quality", "tests", "docs", "bench", "helm", "docker")
MOST_LINES_OF_A_MODULE = 500
MOST_LINES_OF_A_DAG = 80
MOST_LINES_OF_THE_README = 60
MOST_VERBS = 15
# Taken apart, so that this file passes its own test.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("registry", "npmjs", "org"),
        ("static", "crates", "io"),
        ("index", "crates", "io"),
        ("deb", "debian", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("huggingface", "co"),
    )
]


def tracked() -> list[Path]:
    """Every file git tracks or would track, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - git is on the PATH
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


FILES = tracked()


def text_of(path: Path) -> str:
    """The file's text; empty for a picture and its like."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def links_of(path: Path) -> list[str]:
    """The targets of a page's links that lead to other files of the repository."""
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text_of(path))
    return [target for target in targets if "://" not in target]


def python_files(*rooms: str) -> list[Path]:
    return [path for path in FILES if path.suffix == ".py" and path.parts[0] in rooms]


def test_no_top_level_room_is_a_package() -> None:
    # `platform` and `quality` would shadow a module of the standard library or of somebody else.
    assert [path for path in FILES if path.name == "__init__.py" and len(path.parts) == 2] == []
    assert [path for path in FILES if path.name == "__init__.py" and path.parts[0] == "tests"] == []


def test_every_test_is_in_tests() -> None:
    def is_test(path: Path) -> bool:
        return path.name.startswith("test_") or path.name.endswith("_test.py") or path.name == "conftest.py"

    outside = [path for path in FILES if path.suffix == ".py" and is_test(path) and path.parts[0] != "tests"]
    assert outside == []


def test_rooms_are_the_known_ones() -> None:
    rooms = {path.parts[0] for path in FILES if len(path.parts) > 1 and not path.parts[0].startswith(".")}
    assert rooms - {*ROOMS, "changelog.d"} == set()


def test_the_readme_is_short_and_shows_the_two_commands() -> None:
    readme = text_of(Path("README.md"))
    assert len(readme.splitlines()) <= MOST_LINES_OF_THE_README
    for command in ("make demo", "make test"):
        assert re.search(rf"^{command}\b", readme, re.MULTILINE), command


def test_ci_runs_what_the_readme_says() -> None:
    assert re.search(r"^(exec )?make test$", text_of(Path(".ci/run")), re.MULTILINE)


@pytest.mark.parametrize("path", python_files(*ROOMS), ids=str)
def test_modules_are_short_and_say_what_they_are(path: Path) -> None:
    text = text_of(path)
    assert len(text.splitlines()) <= MOST_LINES_OF_A_MODULE
    if path.parts[0] != "tests":
        assert ast.get_docstring(ast.parse(text)), "the first line says what the module does"


def test_dags_declare_and_do_not_hide_a_library() -> None:
    dags = [path for path in python_files("dags") if len(path.parts) == 2]
    libraries = {
        "airflow",
        "dbt",
        "pyspark",
        "spark",
        "trino",
        "pyiceberg",
        "iceberg",
        "great_expectations",
        "openlineage",
    }
    assert dags
    for path in dags:
        assert len(text_of(path).splitlines()) <= MOST_LINES_OF_A_DAG, path
        assert path.stem not in libraries, path
        assert not path.stem.startswith("dbt_"), path


def test_every_verb_of_the_makefile_says_what_it_does() -> None:
    verbs = re.findall(r"^([a-z][a-z-]*):(?!=)(.*)$", text_of(Path("Makefile")), re.MULTILINE)
    assert 2 <= len(verbs) <= MOST_VERBS
    assert [name for name, rest in verbs if "## " not in rest] == []


def test_no_file_names_a_registry() -> None:
    pattern = re.compile("|".join(re.escape(host) for host in REGISTRIES))
    assert [(path, found[0]) for path in FILES if (found := pattern.search(text_of(path)))] == []


def test_locks_are_hashed_and_hold_no_address() -> None:
    locks = [path for path in FILES if path.parts[:2] == ("platform", "locks") and path.suffix == ".txt"]
    assert locks
    for path in locks:
        text = text_of(path)
        assert "://" not in text, path
        pinned = re.findall(r"^[a-z0-9][^ =]*==", text, re.MULTILINE)
        assert pinned, path
        assert text.count("--hash=sha256:") >= len(pinned), path


def test_links_of_the_documentation_lead_somewhere() -> None:
    pages = [path for path in FILES if path.suffix == ".md"]
    links = [(str(path), ROOT / path.parent / target) for path in pages for target in links_of(path)]
    assert links
    assert [(page, str(target)) for page, target in links if not target.exists()] == []


def test_every_page_of_the_documentation_can_be_found() -> None:
    pages = {path for path in FILES if path.parts[0] == "docs" and path.suffix == ".md"}
    starts = [Path("README.md"), *pages]
    linked = {(ROOT / page.parent / target).resolve().relative_to(ROOT) for page in starts for target in links_of(page)}
    lost = [page for page in pages if page not in linked and page.parent not in linked]
    assert sorted(map(str, lost)) == ["docs/README.md"]


def test_every_decision_says_when_to_reconsider() -> None:
    records = [path for path in FILES if path.parts[:2] == ("docs", "decisions") and path.name[:4].isdigit()]
    assert records
    assert sorted(path.name[:4] for path in records) == [f"{number + 1:04}" for number in range(len(records))]
    for path in records:
        last = text_of(path).rstrip().split("\n\n")[-1]
        assert last.startswith("**Reconsider when**"), path


def test_the_licence_is_whole() -> None:
    text = text_of(Path("LICENSE"))
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "Apache License, Version 2.0" in text_of(Path("NOTICE"))
