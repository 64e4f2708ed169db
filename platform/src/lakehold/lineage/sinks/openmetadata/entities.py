"""Tables and containers in OpenMetadata, with the services, databases, schemas, tags and owners they need."""

from __future__ import annotations

from collections.abc import Sequence

from lakehold.lineage.sinks.openmetadata import payloads
from lakehold.lineage.sinks.openmetadata.client import MissingError
from lakehold.lineage.sinks.openmetadata.names import fit, fqn
from lakehold.lineage.sinks.openmetadata.records import Node
from lakehold.lineage.sinks.openmetadata.session import Place, Session, path_of

_MOST_TAG = 128
"""Most characters of a tag's qualified name (``tagFQN``)."""


async def ensure_place(session: Session, node: Node) -> Place | None:
    """Publish a node as it is now; ``None`` when the catalog has no place for its kind."""
    publish = {"table": _table, "view": _table, "file": _container}.get(node.kind)
    if publish is None or (publish is _table and "." not in node.name):
        return None
    try:
        return await publish(session, node)
    except MissingError:
        # What it is in may have been removed there. If all is gone, this raises that; else it is made again.
        await session.still_there()
        await session.sents.forget(*_above(session, node))
        return await publish(session, node)


async def _table(session: Session, node: Node) -> Place:
    schema_name, _, name = node.name.partition(".")
    schema = await _schema(session, node.namespace, schema_name)
    payload = payloads.table(
        schema,
        node,
        session.dialect,
        owners=await owners(session, node.owners),
        tags=await tags(session, node.tags),
    )
    return await _place(session, node, "/tables", payload, "table", f"{schema}.{fqn(fit(name))}")


async def _container(session: Session, node: Node) -> Place:
    service = f"{session.options.service}_files"
    await session.service("storageService", service, "S3")
    payload = payloads.container(
        service,
        node,
        session.dialect,
        owners=await owners(session, node.owners),
        tags=await tags(session, node.tags),
    )
    return await _place(session, node, "/containers", payload, "container", fqn(service, payload["name"]))


async def _place(
    session: Session, node: Node, path: str, payload: payloads.Payload, type_: str, qualified: str
) -> Place:
    id_, moved = await session.upsert(f"node:{node.node_id}", path, payload)
    if moved:
        await session.sents.moved(node.node_id)
    return Place(node=node, id=id_, type=type_, fqn=qualified)


async def _schema(session: Session, database: str, schema: str) -> str:
    """Make sure of a schema and all above it; return its qualified name."""
    service = session.options.service
    await session.service("databaseService", service, "Trino")
    above = fqn(service, fit(database))

    async def make_database() -> str:
        return str((await session.client.put("/databases", payloads.database(service, database))).get("id", ""))

    async def make_schema() -> str:
        return str((await session.client.put("/databaseSchemas", payloads.schema(above, schema))).get("id", ""))

    await session.once(f"database:{database}", make_database)
    await session.once(f"schema:{database}:{schema}", make_schema)
    return f"{above}.{fqn(fit(schema))}"


def _above(session: Session, node: Node) -> list[str]:
    schema = node.name.partition(".")[0]
    return [
        f"database:{node.namespace}",
        f"schema:{node.namespace}:{schema}",
        f"storageService:{session.options.service}_files",
        *(f"tag:{classification}:{name}" for classification, name in node.tags),
    ]


async def tags(session: Session, wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Make sure of tags; return their qualified names. One whose name is too long for the catalog is left out."""
    found = []
    for classification, name in wanted:
        qualified = fqn(fit(classification), fit(name))
        if len(qualified) <= _MOST_TAG:
            await _tag(session, classification, name)
            found.append(qualified)
    return found


async def _tag(session: Session, classification: str, name: str) -> None:
    async def make() -> str:
        about = f"Tags that {classification} gives." if classification == "Airflow" else "Tags from lineage events."
        await session.client.put("/classifications", {"name": fit(classification), "description": about})
        tag = {
            "name": fit(name),
            "classification": fqn(fit(classification)),
            "description": name,
        }
        return str((await session.client.put("/tags", tag)).get("id", ""))

    await session.once(f"tag:{classification}:{name}", make)


async def owners(session: Session, names: Sequence[str]) -> list[dict[str, str]]:
    """Return references to those owners the catalog knows, as users or teams; people are not made up."""
    for name in names:
        if name not in session.owners:
            session.owners[name] = await _owner(session, name)
    return [known for name in names if (known := session.owners[name]) is not None]


async def _owner(session: Session, name: str) -> dict[str, str] | None:
    for type_ in ("user", "team"):
        try:
            known = await session.client.get(f"/{type_}s/name/{path_of(name)}")
        except MissingError:
            continue
        return {"id": str(known.get("id", "")), "type": type_}
    return None
