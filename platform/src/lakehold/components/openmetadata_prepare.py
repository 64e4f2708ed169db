"""What an OpenMetadata needs before it starts: ``python -m … HOME FOLDER HOST PORT``, any number of times.

Its database and role in the PostgreSQL at ``HOST``, its keys in ``FOLDER/keys``, and in ``FOLDER/run`` the release's
folders, beside which it writes its logs: nothing is written into ``HOME``. Passwords and the private key come from the
environment (``PGUSER``, ``PGPASSWORD``, ``LAKEHOLD_OPENMETADATA_DATABASE``, ``LAKEHOLD_OPENMETADATA_RSA``).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
from psycopg import sql

from lakehold.components.openmetadata import ROLE
from lakehold.components.openmetadata_tokens import key_files
from lakehold.components.postgres_roles import ensure_database, ensure_role
from lakehold.errors import ConfigError, LakeholdError

_PARTS = ("bin", "bootstrap", "conf", "libs")
_SCRIPT = Path("bin", "openmetadata-server-start.sh")


def link(home: Path, run: Path) -> None:
    """Put the release's folders into ``run``; :class:`ConfigError` when ``home`` is no release."""
    if missing := [name for name in (*_PARTS, str(_SCRIPT)) if not (home / name).exists()]:
        raise ConfigError(
            f"openmetadata.home: {home} is no unpacked OpenMetadata release.",
            why=f"it has no {', '.join(missing)}",
            remedy="unpack a release's openmetadata-<version>.tar.gz and name the folder that it makes",
        )
    (run / "logs").mkdir(parents=True, exist_ok=True)
    for name in _PARTS:
        target = run / name
        if target.is_symlink() and target.readlink() != home / name:
            target.unlink()
        if not target.is_symlink():
            target.symlink_to(home / name)


def write_keys(secret: str, folder: Path) -> None:
    """Write both keys, for their owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in key_files(secret).items():
        new = folder / f"{name}.new"
        new.touch(mode=0o600)
        new.write_bytes(content)
        new.replace(folder / name)


def ensure(connection_info: str, password: str) -> None:
    """Bring role and database to the declared state."""
    with psycopg.connect(connection_info, dbname="postgres", autocommit=True) as admin:
        ensure_role(admin, ROLE, password)
        ensure_database(admin, ROLE, (ROLE,))
        # Migrations make extensions.
        admin.execute(sql.SQL("GRANT CREATE ON DATABASE {0} TO {0}").format(sql.Identifier(ROLE)))
    with psycopg.connect(connection_info, dbname=ROLE) as connection:
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(ROLE)))


def main() -> int:
    """Read the places from the command line and the secrets from the environment."""
    home, folder, host, port = sys.argv[1:5]
    try:
        link(Path(home), Path(folder) / "run")
        write_keys(os.environ["LAKEHOLD_OPENMETADATA_RSA"], Path(folder) / "keys")
    except LakeholdError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    ensure(
        psycopg.conninfo.make_conninfo(host=host, port=port),
        os.environ["LAKEHOLD_OPENMETADATA_DATABASE"],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
