"""The OpenLineage project's own client, with every facet it knows, as Airflow and dbt use it."""

import importlib
import inspect
import json
import pkgutil
import uuid
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr
import httpx
import openlineage.client.generated as generated
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.generated.base import (
    DatasetFacet,
    InputDataset,
    InputDatasetFacet,
    Job,
    JobFacet,
    OutputDataset,
    OutputDatasetFacet,
    Run,
    RunEvent,
    RunFacet,
)
from openlineage.client.serde import Serde
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport

pytestmark = pytest.mark.component

NOW = "2013-01-01T05:00:00.123456+00:00"


def facet_classes(base: type) -> list[type]:
    """Return every facet of a kind that the client package ships."""
    found = set()
    for module in pkgutil.iter_modules(generated.__path__):
        for _, member in inspect.getmembers(
            importlib.import_module(f"{generated.__name__}.{module.name}"), inspect.isclass
        ):
            if issubclass(member, base) and member is not base:
                found.add(member)
    return sorted(found, key=lambda member: member.__name__)


def a_value(kind: Any) -> Any:
    """Return some value of a type of the client's generated classes."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return a_value(arguments[0])
    if origin is list:
        return [a_value(arguments[0])]
    if origin is dict:
        return {"key": a_value(arguments[1])}
    if attr.has(kind):
        return an_instance(kind)
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return next(iter(kind))
    return {str: "text", int: 7, float: 0.5, bool: True}.get(kind, "text")


_TEXTS = {"runId": str(uuid.UUID(int=5)), "eventTime": NOW, "time": NOW, "nominalStartTime": NOW, "nominalEndTime": NOW}


def an_instance(kind: type) -> Any:
    hints = get_type_hints(kind)
    return kind(
        **{
            field.name: _TEXTS.get(field.name)
            or ("urn:x" if "ur" in field.name.lower() else a_value(hints[field.name]))
            for field in attr.fields(kind)
            if field.init
            and not field.name.startswith("_")
            and (field.default is attr.NOTHING or attr.has(hints[field.name]))
        }
    )


def by_name(base: type) -> dict[str, Any]:
    facets = {}
    for kind in facet_classes(base):
        try:
            facets[kind.__name__] = an_instance(kind)
        except (TypeError, ValueError) as problem:
            raise AssertionError(f"cannot make a {kind.__name__}: {problem}") from problem
    return facets


@pytest.mark.parametrize("compression", [None, HttpCompression.GZIP])
def test_the_python_client_with_every_facet(service: Any, client: httpx.Client, compression: Any) -> None:
    facets = {kind: by_name(kind) for kind in (RunFacet, JobFacet, DatasetFacet, InputDatasetFacet, OutputDatasetFacet)}
    assert sum(map(len, facets.values())) >= 40
    event = RunEvent(
        eventTime=NOW,
        producer="urn:test",
        run=Run(runId=str(uuid.uuid4()), facets=facets[RunFacet]),
        job=Job(namespace="lakehold", name="everything", facets=facets[JobFacet]),
        inputs=[InputDataset("n", "in", facets=facets[DatasetFacet], inputFacets=facets[InputDatasetFacet])],
        outputs=[OutputDataset("n", "out", facets=facets[DatasetFacet], outputFacets=facets[OutputDatasetFacet])],
    )
    token = client.headers["Authorization"].removeprefix("Bearer ")
    config = HttpConfig(
        url=service.url,
        timeout=1,
        auth=ApiKeyTokenProvider({"apiKey": token}),
        compression=compression,
        retry={"total": 0},
    )
    with_session = HttpTransport(config)
    with_session.session.trust_env = False
    OpenLineageClient(transport=with_session).emit(event)
    (row,) = client.get("/api/v1/events").json()["events"]
    assert client.get(f"/api/v1/events/{row['event_id']}").json() == json.loads(Serde.to_json(event))
