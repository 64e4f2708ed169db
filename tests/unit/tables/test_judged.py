"""What is in a shadow against what gates have seen of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from lakehold.errors import DataError
from lakehold.tables.judged import Judged, refuse_others
from lakehold.tables.ledger import Shadow
from lakehold.tables.pointers import Pointer

SHADOW = Shadow(
    id=uuid.UUID(int=1),
    run="r",
    group="g",
    schemas={"gold": "gold__audit_1"},
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
SHOWN = {("gold__audit_1", "a"): Pointer(location="a2"), ("gold", "b"): Pointer(location="b1")}


@pytest.mark.parametrize("judged", [{}, {"gold.a": ["a2"]}, {"gold.a": ["a1", "a2"]}])
def test_what_a_gate_has_seen_is_published(judged: Judged) -> None:
    refuse_others(SHADOW, judged, SHOWN)


@pytest.mark.parametrize("judged", [{"gold.a": ["a1"]}, {"gold.a": []}, {"gold.b": ["b1"]}])
def test_what_none_has_seen_is_not(judged: Judged) -> None:
    with pytest.raises(DataError, match="is not what the gate has seen"):
        refuse_others(SHADOW, judged, SHOWN)
