"""The OpenLineage project's own client, with every facet it knows, in events of every version of the specification."""

import json
import time
import uuid
import warnings
from typing import Any

import httpx
import pytest
from every_facet import NOW, new_facets, old_facets
from openlineage.client import OpenLineageClient
from openlineage.client.generated.base import (
    DatasetEvent,
    DatasetFacet,
    InputDataset,
    InputDatasetFacet,
    Job,
    JobEvent,
    JobFacet,
    OutputDataset,
    OutputDatasetFacet,
    Run,
    RunEvent,
    RunFacet,
    StaticDataset,
)
from openlineage.client.serde import Serde
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpCompression, HttpConfig, HttpTransport

pytestmark = pytest.mark.component

KINDS = (RunFacet, JobFacet, DatasetFacet, InputDatasetFacet, OutputDatasetFacet)


def emit(service: Any, client: httpx.Client, event: Any, compression: Any = None) -> Any:
    """Send an event as Airflow and dbt do, and return what the service has stored."""
    token = client.headers["Authorization"].removeprefix("Bearer ")
    config = HttpConfig(
        url=service.url,
        timeout=5,
        auth=ApiKeyTokenProvider({"apiKey": token}),
        compression=compression,
        retry={"total": 0},
    )
    transport = HttpTransport(config)
    transport.session.trust_env = False
    OpenLineageClient(transport=transport).emit(event)
    return stored(client)


def stored(client: httpx.Client) -> Any:
    """Return the newest event, once everything behind the journal has worked it in."""
    row = client.get("/api/v1/events").json()["events"][0]
    deadline = time.monotonic() + 20
    while behind := [one for one in client.get("/api/v1/stages").json()["stages"] if one["behind"]]:
        # Without a catalog to read, nobody looks for what its snapshots say of the events.
        if all(one["name"] == "catalog" for one in behind):
            break
        assert time.monotonic() < deadline, behind
        time.sleep(0.05)
    return client.get(f"/api/v1/events/{row['event_id']}").json()


def an_event(facets: dict[Any, dict[str, Any]]) -> RunEvent:
    return RunEvent(
        eventTime=NOW,
        producer="urn:test",
        run=Run(runId=str(uuid.uuid4()), facets=facets[RunFacet]),
        job=Job(namespace="lakehold", name="everything", facets=facets[JobFacet]),
        inputs=[InputDataset("n", "in", facets=facets[DatasetFacet], inputFacets=facets[InputDatasetFacet])],
        outputs=[OutputDataset("n", "out", facets=facets[DatasetFacet], outputFacets=facets[OutputDatasetFacet])],
    )


@pytest.mark.parametrize("compression", [None, HttpCompression.GZIP])
def test_every_facet_of_the_specifications_newest_version(service: Any, client: httpx.Client, compression: Any) -> None:
    facets = {kind: new_facets(kind) for kind in KINDS}
    assert sum(map(len, facets.values())) >= 40
    event = an_event(facets)
    assert emit(service, client, event, compression) == json.loads(Serde.to_json(event))


def test_every_facet_of_the_specifications_first_version(service: Any, client: httpx.Client) -> None:
    facets = old_facets()
    assert len(facets) >= 20
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from openlineage.client import run as old
    event = old.RunEvent(
        eventType=old.RunState.COMPLETE,
        eventTime=NOW,
        producer="urn:test",
        run=old.Run(runId=str(uuid.uuid4()), facets=facets),
        job=old.Job(namespace="lakehold", name="everything", facets=facets),
        inputs=[old.InputDataset("n", "in", facets=facets, inputFacets=facets)],
        outputs=[old.OutputDataset("n", "out", facets=facets, outputFacets=facets)],
    )
    assert emit(service, client, event) == json.loads(Serde.to_json(event))


def test_events_about_jobs_and_datasets_alone(service: Any, client: httpx.Client) -> None:
    job = JobEvent(
        eventTime=NOW,
        producer="urn:test",
        job=Job(namespace="lakehold", name="declared", facets=new_facets(JobFacet)),
        inputs=[InputDataset("n", "in")],
        outputs=[OutputDataset("n", "out")],
    )
    assert emit(service, client, job) == json.loads(Serde.to_json(job))
    dataset = DatasetEvent(
        eventTime=NOW, producer="urn:test", dataset=StaticDataset("n", "alone", facets=new_facets(DatasetFacet))
    )
    assert emit(service, client, dataset) == json.loads(Serde.to_json(dataset))


def test_every_version_is_taken_also_one_to_come(client: httpx.Client) -> None:
    for version in ("0-0-1", "1-0-0", "1-0-5", "1-1-1", "2-0-0", "2-0-2", "3-1-0"):
        event = {
            "eventTime": NOW,
            "producer": "urn:test",
            "schemaURL": f"https://openlineage.io/spec/{version}/OpenLineage.json#/definitions/RunEvent",
            "run": {"runId": str(uuid.uuid4()), "facets": {"somethingNew": {"_producer": "urn:test", "deep": [[{}]]}}},
            "job": {"namespace": "lakehold", "name": version},
            "aKeyToCome": 7,
        }
        assert client.post("/api/v1/lineage", json=event).status_code == 201
    assert stored(client) == event
