"""An installation in a cluster as a verb on this machine sees it: a site whose ports are tunnels.

So whatever asks Trino, Airflow or the object store of one machine asks those of a cluster in the same way. Secrets are
read into memory; of files there is only the authority's certificate, in a folder that goes away.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lakehold.cluster import tools
from lakehold.cluster.commands import COMPONENT, Cluster, get, of_release
from lakehold.cluster.objects import Object
from lakehold.cluster.pod import settings_of
from lakehold.cluster.tunnel import tunnels
from lakehold.components.model import Site
from lakehold.errors import ConfigError, LakeholdError, NotRunningError

_LOOPBACK = "127.0.0.1"


@contextmanager
def reached(cluster: Cluster, checkout: Path, components: Iterable[str]) -> Iterator[Site]:
    """Reach these components of the release; :class:`NotRunningError` when it, or one of them, is not there."""
    found: list[Object] = tools.run_json(of_release(cluster, "services,configmaps,deployments"))["items"]
    described = description(found, cluster)
    names, tls = mounted(found)
    # The installation's own come last, and count.
    secrets = {key: value for name in reversed(names) for key, value in _secret(cluster, name).items()}
    authority = _secret(cluster, tls)["ca.crt"]
    with (
        tempfile.TemporaryDirectory(prefix="lakehold-") as folder,
        tunnels(cluster, services(found, inside(components, described), cluster)) as ports,
    ):
        state = Path(folder)
        (state / "tls").mkdir(mode=0o700)
        (state / "tls" / "ca.pem").write_text(authority, encoding="ascii")
        yield site(described, checkout=checkout, state=state, ports=ports, secrets=secrets)


def site(
    described: Mapping[str, Any], *, checkout: Path, state: Path, ports: Mapping[str, int], secrets: Mapping[str, str]
) -> Site:
    """Return the site: what the release was told of its settings, and where this machine reaches it; pure."""
    settings = settings_of(described["settings"]).model_copy(update={"bind": _LOOPBACK, "state": state})
    return Site(
        settings=settings, checkout=checkout, state=state, artifacts={}, pythons={}, ports=ports, secrets=secrets
    )


def description(found: Iterable[Object], cluster: Cluster) -> dict[str, Any]:
    """Return what the pods of the release are told of it; pure."""
    for one in found:
        if one["kind"] == "ConfigMap" and "cluster.json" in (one.get("data") or {}):
            described: dict[str, Any] = json.loads(one["data"]["cluster.json"])
            return described
    raise NotRunningError(
        f"there is no release {cluster.release} in the namespace {cluster.namespace} of {cluster.context}.",
        remedy=f"lakehold install {cluster.options}, or name another: --namespace, --release",
    )


def inside(components: Iterable[str], described: Mapping[str, Any]) -> list[str]:
    """Return those that have pods of the release: an outside object store is where the settings say; pure."""
    outside = (described["settings"].get("s3") or {}).get("endpoint")
    return [name for name in components if not (name == "objectstore" and outside)]


def mounted(found: Iterable[Object]) -> tuple[list[str], str]:
    """Return the names of the Secrets with the keys and of that with the certificate, as pods mount them; pure.

    Of the former there are two where outside services have keys of their own, which are in the second.
    """
    names: dict[str, None] = {}
    tls = ""
    for one in found:
        for volume in one["spec"]["template"]["spec"]["volumes"] if one["kind"] == "Deployment" else []:
            for source in (volume.get("projected") or {}).get("sources") or []:
                asked = source.get("secret") or {}
                # By where a pod finds them: the authority of an outside PostgreSQL may be a Secret's `ca.crt` as well.
                paths = [item["path"] for item in asked.get("items") or []]
                if "tls/ca.crt" in paths:
                    tls = asked["name"]
                elif any(path.startswith("secrets/") for path in paths):
                    names[asked["name"]] = None
    return list(names), tls


def services(found: Iterable[Object], components: Iterable[str], cluster: Cluster) -> dict[str, tuple[str, int]]:
    """Return component → Service and port; pure."""
    there = {
        one["metadata"]["labels"][COMPONENT]: (one["metadata"]["name"], int(one["spec"]["ports"][0]["port"]))
        for one in found
        if one["kind"] == "Service" and one["spec"].get("clusterIP") != "None"
    }
    missing = [name for name in components if name not in there]
    if missing:
        raise NotRunningError(
            f"the release {cluster.release} has no {', '.join(missing)} of its own.",
            why=f"its Services are those of {', '.join(sorted(there)) or 'nothing'}",
        )
    return {name: there[name] for name in components}


def _secret(cluster: Cluster, name: str) -> dict[str, str]:
    try:
        data = tools.run_json(get(cluster, "secret", name)).get("data") or {}
    except tools.ToolError as error:
        raise ConfigError(
            f"the Secret {name} cannot be read, and with it no login.",
            why=error.why,
            remedy="wait until the Job …-keys has made it (lakehold status), or ask for the right to read it",
        ) from error
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@contextmanager
def remedies(cluster: Cluster) -> Iterator[None]:
    """Let no error tell somebody with a cluster to start something on this machine."""
    try:
        yield
    except LakeholdError as error:
        if error.remedy.startswith("lakehold ") and "--context" not in error.remedy:
            ours = isinstance(error, NotRunningError)
            error.remedy = f"{'lakehold doctor' if ours else error.remedy} {cluster.options}"
        raise
