"""DAGs and their runs in OpenMetadata: pipelines with tasks, owners and tags, and how each run went."""

from __future__ import annotations

from dataclasses import replace

from lakehold.lineage.sinks.openmetadata import payloads, reading
from lakehold.lineage.sinks.openmetadata.client import MissingError
from lakehold.lineage.sinks.openmetadata.entities import owners, tags
from lakehold.lineage.sinks.openmetadata.names import fit, fqn
from lakehold.lineage.sinks.openmetadata.records import DagRun
from lakehold.lineage.sinks.openmetadata.session import Session, path_of


async def publish_run(session: Session, run_id: str) -> None:
    """Publish the DAG a run is of, and how it went; nothing for a run that is no DAG's."""
    run = await reading.dag_run(session.connection, run_id)
    if run is None:
        return
    await _pipeline(session, run)
    try:
        await _status(session, run)
    except MissingError:
        await session.still_there()
        await session.sents.forget(_entity(run))
        await _pipeline(session, run)
        await _status(session, run)


async def pipeline_of(session: Session, run_id: str) -> str:
    """Return the id of the pipeline a run is of; empty when it is no DAG's."""
    if run_id and run_id not in session.pipelines:
        run = await reading.dag_run(session.connection, run_id)
        session.pipelines[run_id] = "" if run is None else await _pipeline(session, run)
    return session.pipelines[run_id] if run_id else ""


async def forget(session: Session, run_id: str) -> None:
    """Have the pipeline a run is of sent again."""
    session.pipelines.pop(run_id, None)
    run = await reading.dag_run(session.connection, run_id) if run_id else None
    if run is not None:
        await session.sents.forget(_entity(run), f"pipelineService:{_service(session)}")


async def _pipeline(session: Session, run: DagRun) -> str:
    """Publish a DAG as its latest run has it; an older run only where nothing is known yet."""
    before = await session.sents.get(_entity(run))
    if before is not None and (not run.latest or not run.tasks):
        return before.remote_id
    await session.service("pipelineService", _service(session), "Airflow")
    payload = payloads.pipeline(
        _service(session),
        run if run.tasks else replace(run, tasks={task.name: {} for task in run.states}),
        session.dialect,
        airflow_url=session.options.airflow_url,
        owners=await owners(session, run.owners),
        tags=await tags(session, run.tags),
    )
    id_, _ = await session.upsert(_entity(run), "/pipelines", payload)
    return id_


async def _status(session: Session, run: DagRun) -> None:
    qualified = path_of(fqn(_service(session), fit(run.dag)))
    known = run.tasks if run.latest or not run.tasks else set()
    payload = payloads.status(run, known)
    await session.tell(
        f"status:{run.run_id}", payload, lambda: session.client.put(f"/pipelines/{qualified}/status", payload)
    )


def _service(session: Session) -> str:
    return f"{session.options.service}_airflow"


def _entity(run: DagRun) -> str:
    return f"pipeline:{run.dag}"
