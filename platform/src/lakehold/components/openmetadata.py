"""OpenMetadata, from the folder of an unpacked release that ``openmetadata.home`` names: no registry has it.

Only its own scripts are called, so what they start may change with its version. It gets keys of its own: the release's
are known to everybody, and whoever keeps them lets anyone write himself an administrator's token.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from lakehold.components.model import Component, Http, Process, Site, Task
from lakehold.components.openmetadata_tokens import DOMAIN, ISSUER, KEY_ID, PRIVATE, PUBLIC, RSA, token
from lakehold.components.postgres import SUPERUSER

BOT = "ingestion-bot"
"""Every OpenMetadata has it; what a bot writes leaves alone what people have described."""
ROLE = "openmetadata"
"""Its role in PostgreSQL, and its database."""


def url(site: Site) -> str:
    """Return its address; in a cluster, of the one that is installed with the platform."""
    return f"http://{site.at('openmetadata')}:{site.ports['openmetadata']}"


def bot_token(site: Site) -> str:
    """Return the token the lineage service publishes with."""
    return token(site.secrets[RSA], site.secrets[KEY_ID], BOT)


def _home(site: Site) -> Path:
    return site.checkout / (site.settings.openmetadata.home or "")


def _run(site: Site) -> Path:
    """Where its scripts are started: they look for the release's folders there, and write logs."""
    return site.data("openmetadata") / "run"


def _java(site: Site) -> dict[str, str]:
    # Older releases have no setting for the address they listen on; Dropwizard reads any from a property.
    listen = [f"-Ddw.server.{kind}Connectors[0].bindHost={site.host}" for kind in ("application", "admin")]
    heap = site.settings.openmetadata.heap
    return {
        "JAVA_HOME": str(site.artifacts["jdk-21"]),
        "OPENMETADATA_HEAP_OPTS": f"-Xmx{heap} -Xms256m",
        "OPENMETADATA_JVM_PERFORMANCE_OPTS": "-server -XX:+UseSerialGC -Djava.awt.headless=true",
        "OPENMETADATA_OPTS": " ".join([*site.java_temporary(), *listen]),
        "LOG_DIR": str(_run(site) / "logs"),
    }


def _environment(site: Site) -> dict[str, str]:
    """What its conf/openmetadata.yaml reads."""
    search = urlsplit(site.settings.openmetadata.search or "")
    keys = site.data("openmetadata") / "keys"
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(site.data("openmetadata")),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        **_java(site),
        "SERVER_HOST": site.host,
        "SERVER_PORT": str(site.ports["openmetadata"]),
        "SERVER_ADMIN_PORT": str(site.ports["openmetadata.admin"]),
        "SERVER_HOST_API_URL": f"{url(site)}/api",
        "DB_DRIVER_CLASS": "org.postgresql.Driver",
        "DB_SCHEME": "postgresql",
        "DB_HOST": site.at("postgres"),
        "DB_PORT": str(site.ports["postgres"]),
        "DB_USER": ROLE,
        "DB_USER_PASSWORD": site.secrets["openmetadata.database"],
        "OM_DATABASE": ROLE,
        "DB_PARAMS": "sslmode=disable",
        "SEARCH_TYPE": "opensearch",
        "ELASTICSEARCH_SCHEME": search.scheme,
        "ELASTICSEARCH_HOST": search.hostname or "",
        "ELASTICSEARCH_PORT": str(search.port),
        "AUTHENTICATION_PROVIDER": "basic",
        "AUTHENTICATION_ENABLE_SELF_SIGNUP": "false",
        "AUTHENTICATION_PUBLIC_KEYS": f"[{url(site)}/api/v1/system/config/jwks]",
        "AUTHORIZER_ADMIN_PRINCIPALS": "[admin]",
        "AUTHORIZER_PRINCIPAL_DOMAIN": DOMAIN,
        "RSA_PUBLIC_KEY_FILE_PATH": str(keys / PUBLIC),
        "RSA_PRIVATE_KEY_FILE_PATH": str(keys / PRIVATE),
        "JWT_KEY_ID": site.secrets[KEY_ID],
        "JWT_ISSUER": ISSUER,
        "FERNET_KEY": site.secrets["openmetadata.fernet"],
        "PIPELINE_SERVICE_CLIENT_ENABLED": "false",
    }


def _module(site: Site, name: str, *arguments: str) -> list[str]:
    return [str(site.pythons["lakehold"]), "-m", f"lakehold.components.openmetadata_{name}", *arguments]


def _prepare_environment(site: Site) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PGUSER": SUPERUSER,
        "PGPASSWORD": site.secrets["postgres.superuser"],
        "LAKEHOLD_OPENMETADATA_DATABASE": site.secrets["openmetadata.database"],
        "LAKEHOLD_OPENMETADATA_RSA": site.secrets[RSA],
    }


def _admin_environment(site: Site) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LAKEHOLD_OPENMETADATA_PASSWORD": site.secrets["openmetadata.admin"],
    }


OPENMETADATA = Component(
    name="openmetadata",
    summary="OpenMetadata: the catalog that lineage is published to, from an unpacked release",
    artifacts=("jdk-21",),
    pythons=("lakehold",),
    ports={"": 18585, "admin": 18586},
    needs=("postgres",),
    secrets=(
        "postgres.superuser",
        *(f"openmetadata.{name}" for name in ("admin", "database", "fernet", "key-id", "rsa")),
    ),
    owns=("data/openmetadata",),
    before=(
        Task(
            name="openmetadata-prepare",
            command=lambda site: _module(
                site,
                "prepare",
                str(_home(site)),
                str(site.data("openmetadata")),
                site.at("postgres"),
                str(site.ports["postgres"]),
            ),
            environment=_prepare_environment,
        ),
        Task(
            name="openmetadata-migrate",
            command=lambda site: ["/bin/sh", "-eu", "-c", _MIGRATE, "migrate", str(_run(site))],
            environment=_environment,
            timeout_seconds=900,
        ),
    ),
    processes=(
        Process(
            name="openmetadata",
            command=lambda _site: ["/bin/bash", "bin/openmetadata-server-start.sh", "conf/openmetadata.yaml"],
            environment=_environment,
            directory=_run,
            health=lambda site: Http(url=f"{url(site)}/api/v1/system/version"),
            memory_mb=1300,
            start_seconds=300,
            stop_seconds=30,
        ),
    ),
    after=(
        Task(
            name="openmetadata-admin",
            command=lambda site: _module(site, "admin", url(site)),
            environment=_admin_environment,
        ),
    ),
)
"""OpenMetadata, as one declaration: a component only where ``openmetadata.home`` is set."""

_MIGRATE = """\
cd "$1"
if [ -e bootstrap/openmetadata-ops.sh ]; then
  exec /bin/bash bootstrap/openmetadata-ops.sh migrate
fi
exec /bin/bash bootstrap/bootstrap_storage.sh migrate-all
"""
"""Tables and search indexes, before the first start and after each new release; 1.2 has only the second script."""
