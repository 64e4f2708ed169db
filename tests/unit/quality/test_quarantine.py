"""Which types a column of a quarantine table is given."""

from __future__ import annotations

import pytest
from lakehold.quality.quarantine import _is_wider


@pytest.mark.parametrize(
    ("kind", "than", "wider"),
    [
        ("bigint", "integer", True),
        ("integer", "bigint", False),
        ("double", "real", True),
        ("decimal(12,2)", "decimal(9,2)", True),
        ("decimal(12, 2)", "decimal(12,2)", False),
        ("decimal(12,3)", "decimal(9,2)", False),
        ("varchar", "integer", False),
    ],
)
def test_a_column_grows_where_iceberg_lets_it(kind: str, than: str, wider: bool) -> None:
    assert _is_wider(kind, than) == wider
