"""Read the columns of a table that a statement writes from the statement itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from sqlglot import exp

from lakehold.lineage.columns.sql_names import Budget, Tables
from lakehold.lineage.columns.sql_parse import parse
from lakehold.lineage.columns.sql_query import Queries
from lakehold.lineage.columns.sql_scope import Unreadable
from lakehold.lineage.columns.sql_write import WRITING, Draft, Writes
from lakehold.lineage.model import WHOLE, Column, ColumnEdge, Reading

__all__ = ["Unreadable", "read"]

_STEPS = 1_000_000
"""Parts of expressions and sources of values that are looked at, about two seconds of work."""
_NOT_WRITING_WORDS = """
    ADD ALTER ANALYZE BEGIN CACHE CALL CLEAR COMMENT COMMIT DEALLOCATE DENY DESC DESCRIBE DROP EXPLAIN GRANT KILL LIST
    MSCK PREPARE REFRESH REPAIR RESET REVOKE ROLLBACK SET SHOW START UNCACHE USE VACUUM
"""
_NOT_WRITING = frozenset(_NOT_WRITING_WORDS.split())
_COMMANDS = (
    exp.Alter, exp.Analyze, exp.Cache, exp.Comment, exp.Commit, exp.Declare, exp.Describe, exp.Drop, exp.Grant,
    exp.Query, exp.Refresh, exp.Revoke, exp.Rollback, exp.Set, exp.Show, exp.Transaction, exp.Uncache, exp.Use,
    exp.Values,
)  # fmt: skip


def read(
    sql: str,
    dialect: Literal["trino", "spark"],
    tables: Mapping[str, Sequence[str]],
    *,
    catalog: str,
    schema: str,
) -> Reading | None:
    """Return what a statement writes, what it reads, and the edges between their columns.

    ``tables`` has the columns of ``schema.table`` in order, as they were when the statement ran; ``catalog`` and
    ``schema`` are the session's. ``None`` is a statement that makes no table and writes no rows. Where a column's
    sources cannot be known, `Reading.unknown` says so for that column, or for `WHOLE` if it is the rows or all columns.

    Raises `Unreadable` with the reason for what cannot be parsed, is too large, or is of a kind that is not supported.
    The work is bounded by counting, never by the clock, so the same statement always has the same answer.
    """
    try:
        statement = parse(sql, dialect)
        if statement is None or not _writes(statement):
            return None
        queries = Queries(Tables(dialect, tables, catalog, schema), Budget(_STEPS))
        draft = Writes(queries).draft(statement)
        return None if draft is None else _reading(draft, queries)
    except RecursionError as error:
        raise Unreadable("the statement is nested too deeply to be read") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # What the parser lets pass, no engine needs to: a MERGE without ON, an aggregate of nothing.
        raise Unreadable(f"the statement is of a shape that is not understood ({type(error).__name__})") from error


def _writes(statement: exp.Expr) -> bool:
    """Say whether a statement writes; one that is not known to be harmless is no ``False``."""
    if isinstance(statement, WRITING):
        return True
    if isinstance(statement, _COMMANDS):
        return False
    if isinstance(statement, exp.Command):
        word, rest = statement.name.upper().split()[0], str(statement.args.get("expression") or "")
        runs_it = word == "EXPLAIN" and rest.strip("'\" ").upper().startswith("ANALYZE")
        if word in _NOT_WRITING and not runs_it:
            return False
        raise Unreadable(f"{word}{' ANALYZE' if runs_it else ''} statements are not supported")
    raise Unreadable(f"{type(statement).__name__} statements are not supported")


def _reading(draft: Draft, queries: Queries) -> Reading:
    """Put a draft as edges; that a column is a copy of itself, as when a table is rewritten, is no edge."""
    edges: set[ColumnEdge] = set()
    unknown: dict[str, str] = {}
    for name, value in draft.columns:
        queries.budget.spend(1 + value.size)
        target = Column(draft.target, name)
        edges |= {ColumnEdge(source, target, how, value.text) for source, how in value.direct.items()}
        edges |= {ColumnEdge(source, target, how, value.text) for source, how in value.indirect}
        if value.unknown:
            unknown[name] = value.unknown
    edges = {edge for edge in edges if not (edge.source == edge.target and edge.how == "IDENTITY")}
    edges |= {ColumnEdge(source, Column(draft.target, WHOLE), how) for source, how in draft.rows.indirect}
    if reason := draft.unknown or draft.rows.unknown:
        unknown[WHOLE] = reason
    inputs = queries.tables.read | {edge.source.table for edge in edges}
    return Reading(draft.target, draft.kind, frozenset(inputs), frozenset(edges), unknown)
