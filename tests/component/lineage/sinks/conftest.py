"""A lineage graph without its service, and a FAKE OpenMetadata to tell it to."""

from collections.abc import Iterator
from typing import Any

import pytest
from fake_openmetadata import FakeOpenMetadata
from faulty_http import FaultyServer, serving
from publishing import Lineage


@pytest.fixture
def graph(postgres: Any) -> Iterator[Lineage]:
    yield from Lineage.fresh(postgres.database)


@pytest.fixture
def fake() -> FakeOpenMetadata:
    return FakeOpenMetadata("1.2.0-SNAPSHOT")


@pytest.fixture
def server(fake: FakeOpenMetadata) -> Iterator[FaultyServer]:
    with serving(fake) as started:
        yield started
