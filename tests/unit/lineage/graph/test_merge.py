from typing import Any

from lakehold.lineage.graph.merge import facet, merge


def event(kind: str, **rest: Any) -> dict[str, Any]:
    return {"eventType": kind, "eventTime": "2013-01-01T05:00:00Z", "producer": "urn:test", **rest}


def dataset(name: str, **facets: Any) -> dict[str, Any]:
    return {"namespace": "lakehouse", "name": name, "facets": facets}


def test_inputs_that_only_the_start_knew_are_kept() -> None:
    merged = merge(
        [
            event("START", inputs=[dataset("bronze.flights")], outputs=[]),
            event("COMPLETE", inputs=[], outputs=[dataset("silver.flights")]),
        ]
    )
    assert [one["name"] for one in merged["inputs"]] == ["bronze.flights"]
    assert [one["name"] for one in merged["outputs"]] == ["silver.flights"]
    assert merged["eventType"] == "COMPLETE"


def test_a_facet_is_as_it_was_told_last_unless_it_says_nothing() -> None:
    first = {"_producer": "urn:test", "fields": {"a": 1}}
    empty = {"_producer": "urn:test", "fields": {}}
    merged = merge(
        [
            event("START", outputs=[dataset("t", columnLineage=first, schema={"fields": [1]})]),
            event("RUNNING", outputs=[dataset("t", columnLineage={"fields": {"b": 2}})]),
            event("COMPLETE", outputs=[dataset("t", columnLineage=empty)]),
        ]
    )
    (only,) = merged["outputs"]
    assert only["facets"] == {"columnLineage": {"fields": {"b": 2}}, "schema": {"fields": [1]}}


def test_a_shadow_and_its_target_are_one_dataset() -> None:
    merged = merge([event("START", inputs=[dataset("gold__audit_0123456789.delays"), dataset("gold.delays")])])
    assert len(merged["inputs"]) == 1


def test_facets_of_run_and_job_are_found_and_malformed_ones_are_not_there() -> None:
    merged = merge(
        [
            event("START", run={"runId": "x", "facets": {"parent": {"run": 1}, "odd": 7}}, job={"facets": None}),
            event("COMPLETE", job={"name": "j", "facets": {"sql": {"query": "SELECT 1"}}}),
        ]
    )
    assert facet(merged, "run", "parent") == {"run": 1}
    assert facet(merged, "run", "odd") == {}
    assert facet(merged, "job", "sql") == {"query": "SELECT 1"}
    assert facet(merged, "job", "none") == {}
