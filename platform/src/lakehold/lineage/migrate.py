"""Bring the lineage database to the schema this version needs: ``python -m lakehold.lineage.migrate``.

Migrations are numbered SQL files that only go forward. Each is applied once, in one transaction with its record, so the
command may be run any number of times, by several processes at once, and be killed at any moment.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import psycopg

from lakehold.errors import LakeholdError, StartError
from lakehold.lineage import options

_LOCK = 5_270_001
"""Key of the advisory lock that lets one migration run at a time in this database."""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file of ``migrations/``: its number, its name and its statements."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The sum that says whether an applied migration was edited afterwards."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()


def migrations() -> list[Migration]:
    """Return every migration of this version, by number."""
    folder = resources.files("lakehold.lineage") / "migrations"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return [
        Migration(number=int(name[:4]), name=name, text=(folder / name).read_text(encoding="utf-8")) for name in files
    ]


def pending(known: Sequence[Migration], applied: Sequence[tuple[int, str]]) -> list[Migration]:
    """Return what is still to be applied; ``applied`` has number and sha256 of what was.

    :class:`StartError` when the database was migrated by a newer version or by an edited file.
    """
    by_number = {migration.number: migration for migration in known}
    for number, digest in applied:
        if number not in by_number:
            raise StartError(
                f"The lineage database has migration {number}, which this version does not know.",
                why="it was used by a newer version of lakehold",
                remedy="install that version again, or restore a backup made before it",
            )
        if by_number[number].sha256 != digest:
            raise StartError(
                f"{by_number[number].name} is not the file that was applied to the lineage database.",
                remedy="undo the edit and add a new migration instead",
            )
    done = {number for number, _ in applied}
    return [migration for migration in known if migration.number not in done]


def ensure_schema(database: str) -> list[str]:
    """Apply what is pending; return the names of what was applied now."""
    with psycopg.connect(database, connect_timeout=10) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        cursor.execute("SET LOCAL search_path = public")
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, name text NOT NULL,"
            " sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        cursor.execute("SELECT number, sha256 FROM migration ORDER BY number")
        todo = pending(migrations(), cursor.fetchall())
        for migration in todo:
            cursor.execute(migration.text.encode("utf-8"))
            cursor.execute(
                "INSERT INTO migration (number, name, sha256) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.sha256),
            )
    return [migration.name for migration in todo]


def missing(database: str) -> list[str]:
    """Return the names of what this version would still apply; changes nothing."""
    with psycopg.connect(database, connect_timeout=10) as connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = public")
        cursor.execute("SELECT to_regclass('migration') IS NOT NULL")
        row = cursor.fetchone()
        if row is None or not row[0]:
            return [migration.name for migration in migrations()]
        cursor.execute("SELECT number, sha256 FROM migration ORDER BY number")
        return [migration.name for migration in pending(migrations(), cursor.fetchall())]


def _check() -> int:
    todo = missing(options.database())
    if not todo:
        return 0
    sys.stderr.write(f"The lineage database is not migrated yet: {', '.join(todo)}\n")
    return StartError.exit_code


def _fits() -> int:
    """Exit code 0 unless the database was migrated by a newer version, which :func:`missing` refuses."""
    missing(options.database())
    return 0


def _migrate() -> int:
    applied = ensure_schema(options.database())
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "the schema is up to date\n")
    return 0


def main(arguments: Sequence[str] = ()) -> int:
    """Run from the command line; the database comes from the environment. ``--check`` and ``--fits`` only look."""
    try:
        if "--fits" in arguments:
            return _fits()
        return _check() if "--check" in arguments else _migrate()
    except LakeholdError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    except psycopg.Error as problem:
        sys.stderr.write(f"The lineage database cannot be migrated.\n  why:    {problem}")
        return StartError.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
