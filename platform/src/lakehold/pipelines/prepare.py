"""Make Airflow's database ready: schema, roles, permissions and the first user. Safe to run any number of times.

One process does it all, because importing Airflow takes longer than the work. The password comes on standard input.
The last step is a mark: :mod:`lakehold.pipelines.prepared` asks for it.
"""

from __future__ import annotations

import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils import db
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from werkzeug.security import check_password_hash

from lakehold.pipelines import prepared


@providers_configuration_loaded  # type: ignore[untyped-decorator]  # Airflow is not installed where mypy runs
def prepare(user: str, password: str) -> None:
    """Migrate the database and make ``user`` an administrator whose password is ``password``."""
    db.upgradedb()
    with get_application_builder() as appbuilder:
        appbuilder.add_permissions(update_perms=True)
        manager = appbuilder.sm
        manager.sync_roles()
        known = manager.find_user(user)
        if known is None:
            _create(manager, user, password)
        elif not check_password_hash(known.password, password):
            manager.reset_password(known.id, password)
    prepared.mark()


def _create(manager: object, user: str, password: str) -> None:
    role = manager.find_role("Admin")  # type: ignore[attr-defined]  # Airflow is not installed where mypy runs
    created = manager.add_user(user, user, "Lakehold", f"{user}@localhost", role, password)  # type: ignore[attr-defined]
    if not created:
        raise SystemExit(f"Airflow did not create the user {user!r}; its log above says why")


if __name__ == "__main__":
    secret = sys.stdin.read().strip()
    if not secret:
        raise SystemExit("no password on standard input")
    prepare(sys.argv[1], secret)
