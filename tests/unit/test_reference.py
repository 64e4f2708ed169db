"""The reference pages say what the code says."""

from collections.abc import Iterator
from pathlib import Path

from lakehold import errors
from lakehold.config.settings import Settings
from lakehold.lineage.ask import QUESTIONS
from lakehold.lineage.explore import api
from pydantic import BaseModel

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def settings_rows(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """One row of the settings table per key."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings_rows(kind, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        cell = "" if default in (None, {}) else f"`{shown}`"
        yield f"| `{prefix}{name}` | {cell} | {field.description} |"


def test_settings() -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in page if line.startswith("| `")] == list(settings_rows(Settings))


def test_exit_codes() -> None:
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")
    for kind in vars(errors).values():
        if not (isinstance(kind, type) and issubclass(kind, errors.LakeholdError)):
            continue
        assert f"| {kind.exit_code} | `{kind.__name__}` |" in page


def test_the_filters_of_the_lineage_service() -> None:
    page = (REFERENCE / "lineage.md").read_text(encoding="utf-8")
    for name, question in QUESTIONS.items():
        (line,) = [line for line in page.splitlines() if f"GET /api/v1/{name}`" in line]
        for key in question.filters:
            assert f"`{key}`" in line, (name, key)


def test_the_parameters_of_the_graph_s_questions() -> None:
    page = (REFERENCE / "lineage.md").read_text(encoding="utf-8")
    for name, (_, parameters) in api.QUESTIONS.items():
        (line,) = [line for line in page.splitlines() if line.startswith("| ") and f"`GET /api/v1/{name}`" in line]
        for key in parameters:
            assert f"`{key}`" in line, (name, key)
