"""PostgreSQL: the state of the Iceberg catalog, Airflow and the lineage service, a database and a role each."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lakehold.components.model import ANY_ADDRESS, Component, ConfigFile, Probe, Process, Site, Task

SUPERUSER = "postgres"
ROLES = ("trino", "spark", "engine", "publisher", "airflow", "lineage")
"""One database role per component; ``postgres_roles`` says what each may do."""

_PATH = "/usr/bin:/bin"
_SUPERUSER = "superuser.sha256"

_INITDB = """\
umask 077
initdb=$1 cluster=$2 wanted=$(cat "$3") mark=$4
postgres=${initdb%initdb}postgres
password=$cluster.password
trap 'rm -f "$password"' EXIT
cat > "$password"
# A cluster may give a volume's group rights to all that is on it, and then no server starts.
if [ -d "$cluster" ]; then chmod 0700 "$cluster"; fi
if [ ! -s "$cluster/PG_VERSION" ]; then
  rm -rf "$cluster.new"
  "$initdb" --pgdata="$cluster.new" --username=postgres --pwfile="$password" --auth=scram-sha-256 \\
    --no-locale --encoding=UTF8 --data-checksums --no-instructions
  sync "$cluster.new"
  mv -T "$cluster.new" "$cluster"
elif [ "$wanted" != "$(cat "$mark" 2>/dev/null)" ]; then
  { printf "ALTER ROLE postgres PASSWORD '"; sed "s/'/''/g" "$password" | tr -d '\\n'; printf "'\\n"; } |
    "$postgres" --single -D "$cluster" -c log_min_error_statement=panic postgres > /dev/null
fi
printf '%s\\n' "$wanted" > "$mark"
"""
"""Make the cluster once, whole or not at all, and give the superuser the password on standard input.

A changed password needs single-user mode: nobody can log in to change it, for the old password is gone.
"""


def cluster(site: Site) -> Path:
    """The data directory (PGDATA)."""
    return site.data("postgres") / "cluster"


def server_settings(site: Site) -> dict[str, str]:
    """``postgresql.conf``; sized for a platform of some ten connections, safe against power loss (fsync stays on)."""
    return {
        "listen_addresses": site.host,
        "port": str(site.ports["postgres"]),
        "unix_socket_directories": "",
        "hba_file": str(site.conf("postgres") / "pg_hba.conf"),
        "ident_file": str(site.conf("postgres") / "pg_ident.conf"),
        "password_encryption": "scram-sha-256",
        "max_connections": "100",
        "shared_buffers": "128MB",
        "effective_cache_size": "512MB",
        "maintenance_work_mem": "64MB",
        "max_wal_size": "512MB",
        "jit": "off",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_checkpoints": "off",
        # A failing statement may be one that sets a password; clients keep their own logs.
        "log_min_error_statement": "panic",
    }


def _server_conf(site: Site) -> str:
    return "".join(f"{key} = '{value.replace(chr(39), chr(39) * 2)}'\n" for key, value in server_settings(site).items())


def _hba_conf(site: Site) -> str:
    if site.host == ANY_ADDRESS:
        return (
            "# Passwords only; the cluster's network policies say who gets this far.\nhost all all all scram-sha-256\n"
        )
    return (
        "# Passwords only, and only over the loopback interface the server listens on.\n"
        "host all all 127.0.0.1/32 scram-sha-256\n"
        "host all all ::1/128 scram-sha-256\n"
    )


def _initdb_command(site: Site) -> list[str]:
    initdb = site.artifacts["postgres"] / "bin" / "initdb"
    wanted, mark = site.conf("postgres") / _SUPERUSER, site.data("postgres") / _SUPERUSER
    return ["/bin/sh", "-eu", "-c", _INITDB, "initdb", *map(str, (initdb, cluster(site), wanted, mark))]


def _superuser(site: Site) -> str:
    """A digest of the superuser's password: the server starts again, and so takes a new one, when it changes."""
    return hashlib.sha256(site.secrets["postgres.superuser"].encode()).hexdigest() + "\n"


def _server_command(site: Site) -> list[str]:
    postgres = site.artifacts["postgres"] / "bin" / "postgres"
    return [str(postgres), "-D", str(cluster(site)), "-c", f"config_file={site.conf('postgres') / 'postgresql.conf'}"]


def _environment(site: Site) -> dict[str, str]:
    return {"PATH": _PATH, "HOME": str(site.data("postgres")), "LANG": "C.UTF-8", "TZ": "UTC"}


def _ready(site: Site) -> Probe:
    python = str(site.pythons["lakehold"])
    return Probe(
        command=(python, "-m", "lakehold.components.postgres_ready", site.itself, str(site.ports["postgres"])),
    )


def _roles_command(site: Site) -> list[str]:
    python = str(site.pythons["lakehold"])
    admin = site.pods.admin if site.pods else SUPERUSER
    where = [site.at("postgres"), str(site.ports["postgres"]), admin]
    return [python, "-m", "lakehold.components.postgres_roles", *where]


def _roles_environment(site: Site) -> dict[str, str]:
    passwords = {f"LAKEHOLD_PASSWORD_{role.upper()}": site.secrets[f"postgres.{role}"] for role in ROLES}
    tls = {f"PG{key.upper()}": value for key, value in site.postgres_tls.items()}
    return {**_environment(site), "PGPASSWORD": site.secrets["postgres.superuser"], **tls, **passwords}


POSTGRES = Component(
    name="postgres",
    summary="PostgreSQL 17: Iceberg catalog, Airflow's state and the lineage graph",
    artifacts=("postgres",),
    pythons=("lakehold",),
    ports={"": 15432},
    secrets=("postgres.superuser", *(f"postgres.{role}" for role in ROLES)),
    owns=("conf/postgres", "data/postgres"),
    files=lambda site: [
        ConfigFile(path="postgresql.conf", text=_server_conf(site)),
        ConfigFile(path="pg_hba.conf", text=_hba_conf(site)),
        ConfigFile(path="pg_ident.conf", text=""),
        ConfigFile(path=_SUPERUSER, text=_superuser(site)),
    ],
    before=(
        Task(
            name="postgres-initdb",
            command=_initdb_command,
            environment=_environment,
            stdin=lambda site: site.secrets["postgres.superuser"] + "\n",
            unprivileged=True,
        ),
    ),
    processes=(
        Process(
            name="postgres",
            command=_server_command,
            environment=_environment,
            health=_ready,
            memory_mb=300,
            # "Fast" shutdown: TERM would wait for every client to leave by itself.
            stop_signal="INT",
            stop_seconds=30,
            unprivileged=True,
        ),
    ),
    after=(Task(name="postgres-roles", command=_roles_command, environment=_roles_environment, shared=True),),
)
"""PostgreSQL, as one declaration."""
