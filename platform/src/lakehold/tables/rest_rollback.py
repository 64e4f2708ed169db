"""Rollbacks on an Iceberg REST catalog: the difference to what a table is to be, one commit for all tables."""

from __future__ import annotations

from collections.abc import Sequence

from lakehold.config.platform import Platform
from lakehold.errors import ConflictError, LakeholdError
from lakehold.tables import difference
from lakehold.tables.files import Files
from lakehold.tables.ledger import Change as Changed
from lakehold.tables.metadata import MAIN
from lakehold.tables.pointers import Name, Pointer
from lakehold.tables.rest_client import Change, Found, RefusedError, RestClient, UnknownOutcomeError
from lakehold.tables.rest_look import pointers_of, read
from lakehold.tables.rollback import Plan, changed


class RestTables:
    """The catalog of the platform."""

    def __init__(self, platform: Platform) -> None:
        self._client = RestClient(platform.catalog)
        self._found: dict[Name, tuple[Found, str]] = {}

    def read(self, schemas: Sequence[str]) -> dict[Name, Pointer]:
        """All tables and views of the schemas; what is found now is what a later commit is guarded by."""
        self._found = read(self._client, schemas)
        return pointers_of(self._found)

    def bring(self, files: Files, plans: Sequence[Plan]) -> list[Changed]:
        """Carry the plans out. A table that is to go is emptied together with the others, then leaves the catalog."""
        changes = [change for plan in plans if (change := self._change(plan))]
        try:
            if changes:
                self._client.commit(changes)
        except RefusedError as error:
            raise ConflictError(
                "tables changed while they were brought back; none was.", why=str(error), remedy="try again"
            ) from error
        except UnknownOutcomeError as error:
            raise LakeholdError(
                "the catalog did not say whether it brought the tables back.",
                why=str(error),
                remedy="look at them (lakehold tables history TABLE); the same command may be given again",
            ) from error
        for plan in plans:
            self._finish(files, plan)
        now = read(self._client, sorted({plan.wish.schema for plan in plans}))
        self._check(plans, now)
        return [changed(plan, _location(now.get((plan.wish.schema, plan.wish.name)))) for plan in plans]

    def _change(self, plan: Plan) -> Change | None:
        found, kind = self._found.get((plan.wish.schema, plan.wish.name), (None, ""))
        if found is None or kind == "VIEW":
            return None
        if plan.made is not None:
            updates = difference.updates(found.metadata, plan.made, refs="all")
        elif plan.wish.to is None and MAIN in (found.metadata.get("refs") or {}):
            updates = [{"action": "remove-snapshot-ref", "ref-name": MAIN}]
        else:
            return None
        required = difference.requirements(found.metadata, difference.touched_refs(updates))
        change = Change(schema=plan.wish.schema, table=plan.wish.name, requirements=required, updates=updates)
        return change if updates else None

    def _finish(self, files: Files, plan: Plan) -> None:
        """What no commit can do: take out of the catalog, put into it again, change a view."""
        schema, name = plan.wish.schema, plan.wish.name
        _, kind = self._found.get((schema, name), (None, ""))
        if plan.wish.to is None:
            if kind == "VIEW":
                self._client.forget_view(schema, name)
            else:
                self._client.forget(schema, name)
        elif plan.wish.to.kind == "VIEW" and plan.pointer is not None:
            self._client.put_view(schema, name, files.read(plan.pointer.location))
        elif plan.made is None and plan.pointer is not None and plan.found is None:
            self._client.register(schema, name, plan.pointer.location)

    def _check(self, plans: Sequence[Plan], now: dict[Name, tuple[Found, str]]) -> None:
        """Not every catalog keeps the promise of one commit for all tables."""
        for plan in plans:
            found, kind = now.get((plan.wish.schema, plan.wish.name), (None, ""))
            if (found is None) != (plan.wish.to is None):
                raise _torn(plan)
            if found is not None and plan.made is not None and kind == "TABLE":
                main = (found.metadata.get("refs") or {}).get(MAIN, {}).get("snapshot-id")
                if main != (plan.wish.to.snapshot if plan.wish.to else None):
                    raise _torn(plan)


def _location(found: tuple[Found, str] | None) -> str | None:
    return None if found is None else found[0].location


def _torn(plan: Plan) -> LakeholdError:
    return LakeholdError(
        f"the catalog did not bring {plan.wish.full_name} back, and perhaps others it did.",
        why="somebody else changed it in that moment, and the catalog does not commit tables together",
        remedy=f"bring it back by itself: lakehold tables rollback {plan.wish.full_name} --to …",
    )
