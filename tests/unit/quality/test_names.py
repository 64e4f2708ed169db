from __future__ import annotations

import pytest
from lakehold.config import shadows
from lakehold.errors import ConfigError
from lakehold.quality.names import redirect

SHADOWS = {"gold": "gold__audit_1", "silver": "silver__audit_1"}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM gold.delays", 'SELECT * FROM "gold__audit_1".delays'),
        ('SELECT * FROM "gold"."delays"', 'SELECT * FROM "gold__audit_1"."delays"'),
        ("FROM lakehouse.silver.flights s, Gold.x", 'FROM lakehouse."silver__audit_1".flights s, "gold__audit_1".x'),
        (
            "SELECT 'gold.delays' -- gold.delays\nFROM bronze.gold",
            "SELECT 'gold.delays' -- gold.delays\nFROM bronze.gold",
        ),
        ("SELECT s.flights AS silver /* silver.x */ FROM a", "SELECT s.flights AS silver /* silver.x */ FROM a"),
        ("SELECT marigold.x, golden.y, gold_x.z", "SELECT marigold.x, golden.y, gold_x.z"),
        ('SELECT "it\'s", "gold.x" FROM "gold".y', 'SELECT "it\'s", "gold.x" FROM "gold__audit_1".y'),
        ('SELECT "a "" gold.x" FROM "gold" . y', 'SELECT "a "" gold.x" FROM "gold__audit_1" . y'),
        ("SELECT 'it''s gold.x', gold . y", "SELECT 'it''s gold.x', \"gold__audit_1\" . y"),
    ],
)
def test_names_of_redirected_schemas_become_names_of_their_shadows(sql: str, expected: str) -> None:
    assert redirect(sql, SHADOWS) == expected


def test_nothing_is_touched_outside_an_audited_group() -> None:
    assert redirect("SELECT * FROM gold.delays", {}) == "SELECT * FROM gold.delays"
    assert shadows.redirected({}) == {}


def test_the_variable_is_read_or_refused() -> None:
    assert shadows.redirected({shadows.VARIABLE: '{"gold": "gold__audit_1"}'}) == {"gold": "gold__audit_1"}
    for wrong in ("gold", '["gold"]', '{"gold": 1}', '{"gold": ""}'):
        with pytest.raises(ConfigError, match="LAKEHOLD_SHADOWS is not understood"):
            shadows.redirected({shadows.VARIABLE: wrong})
