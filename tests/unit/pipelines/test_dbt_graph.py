"""Reading a dbt project's graph from its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from lakehold.pipelines.dbt_graph import model_graph, references

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select * from {{ ref('flights') }}", {"flights"}),
        ('select * from {{ref("flights")}} join {{ ref( "carriers" ) }}', {"flights", "carriers"}),
        ("select * from {{ ref('airline', 'flights') }}", {"flights"}),
        ("select * from {{ ref('flights', v=2) }}", {"flights"}),
        ("{# ref('old') #} select * from {{ source('silver', 'flights') }}", set()),
        ("-- depends_on: {{ ref('flights') }}", {"flights"}),
        ("select href('x')", set()),
    ],
)
def test_references(sql: str, names: set[str]) -> None:
    assert references(sql) == names


def test_a_project_with_all_kinds_of_nodes(tmp_path: Path) -> None:
    files = {
        "models/staging/stg_a.sql": "select * from {{ ref('codes') }}",
        "models/marts/mart.sql": "select * from {{ ref('stg_a') }} join {{ ref('other', 'elsewhere') }} using (x)",
        "models/marts/mart.yml": "version: 2",
        "models/marts/learned.py": "def model(dbt, session):\n    return dbt.ref('mart')",
        "seeds/codes.csv": "a,b",
        "snapshots/history.sql": "{% snapshot history %} select * from {{ ref('mart') }} {% endsnapshot %}",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert model_graph(tmp_path) == {
        "codes": frozenset(),
        "stg_a": {"codes"},
        "mart": {"stg_a"},
        "learned": {"mart"},
        "history": {"mart"},
    }


def test_our_own_project_has_no_model_that_reads_a_missing_one() -> None:
    project = REPOSITORY / "dbt_project"
    graph = model_graph(project)
    assert graph
    named = {name for path in (project / "models").rglob("*.sql") for name in references(path.read_text())}
    assert named <= graph.keys()
