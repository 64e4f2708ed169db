"""Ask a node of Trino to finish what it has begun and to end, and wait until it has: ``python -I -S drain.py URL CA``.

What a pod's end waits for (``preStop``); how long at most is the pod's own business. Standard library only.
"""

from __future__ import annotations

import ssl
import sys
import time
import urllib.request
from pathlib import Path

_USER = "drain"
_TIMEOUT = 5.0
_PAUSE = 1.0


def request(url: str) -> urllib.request.Request:
    """Return what tells the node to leave. A worker asks nobody for a password; only nodes can reach it."""
    headers = {"X-Trino-User": _USER, "Content-Type": "application/json"}
    return urllib.request.Request(f"{url}/v1/info/state", data=b'"SHUTTING_DOWN"', headers=headers, method="PUT")  # noqa: S310 - ours


def answers(url: str, context: ssl.SSLContext) -> bool:
    """Whether the node is still there."""
    try:
        with urllib.request.urlopen(f"{url}/v1/info", timeout=_TIMEOUT, context=context):  # noqa: S310 - ours
            return True
    except OSError:
        return False


def main(url: str, ca: str) -> int:
    """Exit code 0 once the node is gone, 1 when it did not take the request."""
    context = ssl.create_default_context(cafile=ca if Path(ca).is_file() else None)
    try:
        with urllib.request.urlopen(request(url), timeout=_TIMEOUT, context=context):  # noqa: S310 - ours
            pass
    except OSError as error:
        sys.stdout.write(f"{url}: {error}\n")
        return 1
    while answers(url, context):
        time.sleep(_PAUSE)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
