"""Is it healthy? One attempt at a declared health check, answered with the reason when it is not."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from lakehold.components.model import Health, Http

_TIMEOUT = 5.0
_MOST_PATIENCE = 2.0
_BODY_LIMIT = 1 << 16


def patience() -> float:
    """Return by how much time limits, which are meant for an idle machine, are stretched on a busy one."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return min(_MOST_PATIENCE, max(1.0, load))


def check(health: Health, *, ca: Path, environment: Mapping[str, str]) -> str | None:
    """Return ``None`` when healthy, else why not, in a few words."""
    if isinstance(health, Http):
        return _check_http(health, ca)
    try:
        result = subprocess.run(
            list(health.command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT * patience(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "its probe did not answer in time"
    except OSError as error:
        return f"its probe could not run: {error}"
    if result.returncode == 0:
        return None
    said = (result.stderr or result.stdout).decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"its probe exited with {result.returncode}"


def _check_http(health: Http, ca: Path) -> str | None:
    context = ssl.create_default_context(cafile=str(ca)) if health.url.startswith("https:") else None
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(health.url, timeout=_TIMEOUT * patience()) as answer:
            status, body = answer.status, answer.read(_BODY_LIMIT).decode(errors="replace")
    except urllib.error.HTTPError as error:
        status, body = error.code, ""
    except (OSError, http.client.HTTPException) as error:
        return f"{health.url} does not answer: {getattr(error, 'reason', error)}"
    if status != health.status:
        return f"{health.url} answered {status}, expected {health.status}"
    if health.contains not in body:
        return f"{health.url} answered, but is not ready"
    return None
