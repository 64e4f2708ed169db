"""Tables and containers in OpenMetadata, with the services, databases, schemas, tags and owners they need."""

from __future__ import annotations

from collections.abc import Sequence

from lakehold.lineage.sinks.openmetadata import payloads
from lakehold.lineage.sinks.openmetadata.client import MissingError, id_of
from lakehold.lineage.sinks.openmetadata.names import fit, fqn
from lakehold.lineage.sinks.openmetadata.records import Node
from lakehold.lineage.sinks.openmetadata.session import Place, Session, path_of

_MOST_TAG = 128
"""Most characters of a tag's qualified name (``tagFQN``)."""


async def ensure_place(session: Session, node: Node) -> Place | None:
    """Publish a node as it is now, with its owners and tags; ``None`` when the catalog has no place for its kind."""
    if _type(node) is None:
        return None
    publish = _container if _type(node) == "container" else _table
    try:
        return await publish(session, node)
    except MissingError:
        # What it is in may have been removed there. If all is gone, this raises that; else it is made again.
        await session.still_there()
        await session.sents.forget(*_above(session, node))
        return await publish(session, node)


async def known_place(session: Session, node: Node) -> Place | None:
    """Return where a node is that was sent before; nothing is sent."""
    type_ = _type(node)
    before = await session.sents.get(f"node:{node.node_id}") if type_ else None
    if type_ is None or before is None:
        return None
    return Place(node=node, id=before.remote_id, type=type_, fqn=_qualified(session, node))


def _type(node: Node) -> str | None:
    """Return what the catalog takes a node for; ``None`` when it has no place for it."""
    if node.kind == "file":
        return "container"
    return "table" if node.kind in {"table", "view"} and "." in node.name else None


def _qualified(session: Session, node: Node) -> str:
    if node.kind == "file":
        return fqn(_files(session), payloads.container_name(node))
    schema, _, name = node.name.partition(".")
    return fqn(session.options.service, fit(node.namespace), fit(schema), fit(name))


def _files(session: Session) -> str:
    return f"{session.options.service}_files"


async def _table(session: Session, node: Node) -> Place:
    schema = await _schema(session, node.namespace, node.name.partition(".")[0])
    payload = payloads.table(
        schema,
        node,
        session.dialect,
        owners=await owners(session, node.owners),
        tags=await tags(session, node.tags),
    )
    return await _place(session, node, "/tables", payload, "table")


async def _container(session: Session, node: Node) -> Place:
    await session.service("storageService", _files(session), "S3")
    payload = payloads.container(
        _files(session),
        node,
        session.dialect,
        owners=await owners(session, node.owners),
        tags=await tags(session, node.tags),
    )
    return await _place(session, node, "/containers", payload, "container")


async def _place(session: Session, node: Node, path: str, payload: payloads.Payload, type_: str) -> Place:
    id_, moved = await session.upsert(f"node:{node.node_id}", path, payload)
    if moved:
        await session.sents.moved(node.node_id)
    return Place(node=node, id=id_, type=type_, fqn=_qualified(session, node))


async def _schema(session: Session, database: str, schema: str) -> str:
    """Make sure of a schema and all above it; return its qualified name."""
    service = session.options.service
    await session.service("databaseService", service, "Trino")
    above = fqn(service, fit(database))

    async def make_database() -> str:
        return id_of(await session.client.put("/databases", payloads.database(service, database)))

    async def make_schema() -> str:
        return id_of(await session.client.put("/databaseSchemas", payloads.schema(above, schema)))

    await session.once(f"database:{database}", make_database)
    await session.once(f"schema:{database}:{schema}", make_schema)
    return f"{above}.{fqn(fit(schema))}"


def _above(session: Session, node: Node) -> list[str]:
    schema = node.name.partition(".")[0]
    return [
        f"database:{node.namespace}",
        f"schema:{node.namespace}:{schema}",
        f"storageService:{_files(session)}",
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
        return id_of(await session.client.put("/tags", tag))

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
        return {"id": id_of(known), "type": type_}
    return None
