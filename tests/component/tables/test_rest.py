"""Clone, write, publish and take back on Iceberg's REST server, with pyiceberg as the engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from free_ports import free_ports
from lakehold.tables.shadow import Audit, tag_of
from rest_catalog import rest_catalog

from .conftest import Lakehouse

pytestmark = pytest.mark.component
