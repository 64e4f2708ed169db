"""What gates found out, in OpenMetadata: test definitions, a suite for each table, cases and their results."""

from __future__ import annotations

from typing import Any

from lakehold.lineage.sinks.openmetadata import payloads, reading
from lakehold.lineage.sinks.openmetadata.client import ExistsError, MissingError, id_of
from lakehold.lineage.sinks.openmetadata.names import fit, fqn
from lakehold.lineage.sinks.openmetadata.records import Result
from lakehold.lineage.sinks.openmetadata.sent import digest
from lakehold.lineage.sinks.openmetadata.session import Place, Session, path_of


async def publish_results(session: Session, run_id: str) -> None:
    """Publish all results of one run of a gate."""
    for result in await reading.results(session.connection, run_id):
        place = session.place(result.node_id)
        if place is None or place.type != "table":
            continue
        try:
            await _publish(session, result, place)
        except MissingError:
            await session.still_there()
            await session.sents.forget(_definition_entity(result), f"suite:{place.id}", _case_entity(result))
            await _publish(session, result, place)


async def _publish(session: Session, result: Result, place: Place) -> None:
    definition = await _definition(session, result)
    await _suite(session, place)
    qualified = await _case(session, result, place, definition)
    payload = payloads.outcome(result)
    await session.tell(
        f"result:{qualified}:{payload['timestamp']}", payload, lambda: _result(session, qualified, payload)
    )


async def _result(session: Session, case: str, payload: payloads.Payload) -> None:
    try:
        if session.dialect.basic_suites:
            await session.client.post(f"/dataQuality/testCases/testCaseResults/{path_of(case)}", payload)
        else:
            await session.client.put(f"/dataQuality/testCases/{path_of(case)}/testCaseResult", payload, conflicts=0)
    except ExistsError:
        pass  # A result of that moment is there: ours, whose answer was lost.


async def _definition(session: Session, result: Result) -> str:
    name = _definition_name(result)
    expectation = str(result.details.get("assertion", ""))
    payload = payloads.definition(
        name, of_column=bool(result.column), great_expectations=expectation.startswith("expect_")
    )

    async def make() -> str:
        return id_of(await session.client.put("/dataQuality/testDefinitions", payload))

    await session.once(_definition_entity(result), make)
    return name


async def _suite(session: Session, place: Place) -> None:
    payload = payloads.suite(place.fqn, session.dialect)

    async def make() -> str:
        send: Any = session.client.post if session.dialect.basic_suites else session.client.put
        try:
            return id_of(await send(session.dialect.suite_path, payload))
        except ExistsError:
            return ""

    await session.once(f"suite:{place.id}", make)


async def _case(session: Session, result: Result, place: Place, definition: str) -> str:
    """Make sure of a case; return its qualified name as the catalog has it."""
    payload = payloads.case(result, place.fqn, definition, session.dialect)
    async with session.locks[_case_entity(result)]:
        before = await session.sents.get(_case_entity(result))
        if before is not None and before.digest == digest(payload):
            return before.remote_id
        answer = await session.client.put("/dataQuality/testCases", payload)
        id_of(answer)
        inside = [fit(result.column)] if result.column else []
        qualified = str(answer.get("fullyQualifiedName") or f"{place.fqn}.{fqn(*inside, fit(result.name))}")
        await session.sents.keep(_case_entity(result), payload, qualified)
        return qualified


def _definition_name(result: Result) -> str:
    """Return the kind of rule, apart for columns and tables, since a definition is of one of them."""
    kind = str(result.details.get("assertion") or "rule")
    return fit(f"{kind}_of_column" if result.column and not kind.startswith("expect_column_") else kind)


def _definition_entity(result: Result) -> str:
    return f"definition:{_definition_name(result)}:{'column' if result.column else 'table'}"


def _case_entity(result: Result) -> str:
    return f"case:{result.node_id}:{result.column}:{result.name}"
