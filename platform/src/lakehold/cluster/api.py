"""The few requests a pod makes of the Kubernetes API: read one Secret, make it, add to it."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lakehold.errors import ConfigError, StartError

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONFLICT = 409
_NOT_FOUND = 404


class ConflictError(Exception):
    """Somebody else was faster: read again."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A Secret as it is: its values, and the version a change must be based on."""

    version: str
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The Secrets of one namespace."""

    client: httpx.Client
    namespace: str

    def read(self, name: str) -> Kept | None:
        """Return the Secret, or ``None`` when there is none."""
        answer = self.client.get(f"{self._path}/{name}")
        if answer.status_code == _NOT_FOUND:
            return None
        body = self._checked(answer, name)
        data = body.get("data") or {}
        values = {key: base64.b64decode(value).decode() for key, value in data.items()}
        return Kept(version=body["metadata"]["resourceVersion"], values=values)

    def create(self, name: str, values: Mapping[str, str], labels: Mapping[str, str]) -> None:
        """Make the Secret; :class:`ConflictError` when there is one already."""
        metadata = {"name": name, "namespace": self.namespace, "labels": dict(labels)}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": _encoded(values)}
        self._checked(self.client.post(self._path, json=body), name)

    def add(self, name: str, values: Mapping[str, str], version: str) -> None:
        """Give the Secret these values; :class:`ConflictError` when it is not the one of ``version`` any more."""
        body = {"metadata": {"resourceVersion": version}, "data": _encoded(values)}
        headers = {"Content-Type": "application/merge-patch+json"}
        self._checked(self.client.patch(f"{self._path}/{name}", json=body, headers=headers), name)

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets"

    def _checked(self, answer: httpx.Response, name: str) -> dict[str, Any]:
        if answer.status_code == _CONFLICT:
            raise ConflictError(name)
        if answer.is_error:
            raise StartError(
                f"Kubernetes refused to keep the Secret {name}: HTTP {answer.status_code}.",
                # The answer to a refused request repeats none of its values.
                why=answer.text.strip()[:300],
                remedy="make the Secrets yourself and name them: secrets.existingSecret, tls.existingSecret",
            )
        body: dict[str, Any] = answer.json()
        return body


def of_this_pod(account: Path = _ACCOUNT, environment: Mapping[str, str] = os.environ) -> Secrets:
    """Return the Secrets of the namespace this pod is in, asked for as its service account."""
    try:
        host, port = environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]
        token = (account / "token").read_text(encoding="ascii").strip()
        namespace = (account / "namespace").read_text(encoding="utf-8").strip()
    except (KeyError, OSError) as error:
        raise ConfigError("This is no pod with a service account of its own.", why=str(error)) from error
    context = ssl.create_default_context(cafile=str(account / "ca.crt"))
    address = f"[{host}]" if ":" in host else host
    client = httpx.Client(
        base_url=f"https://{address}:{port}",
        headers={"Authorization": f"Bearer {token}"},
        verify=context,
        trust_env=False,
        timeout=10,
    )
    return Secrets(client=client, namespace=namespace)


def _encoded(values: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
