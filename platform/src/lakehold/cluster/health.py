"""Exit 0 when a GET answers 200 and its body holds a text: ``python -I -S health.py URL CA TEXT``.

For what a kubelet cannot ask by itself: Trino answers 200 while it is still starting. Standard library only, because it
runs every few seconds.
"""

from __future__ import annotations

import ssl
import sys
import urllib.request
from pathlib import Path

_TIMEOUT = 5.0
_BODY_LIMIT = 1 << 16


def main(url: str, ca: str, text: str) -> int:
    """Ask once; what is wrong goes to standard output, where the kubelet looks for it."""
    context = ssl.create_default_context(cafile=ca) if Path(ca).is_file() else None
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT, context=context) as answer:  # noqa: S310 - the URL is ours
            body = answer.read(_BODY_LIMIT).decode(errors="replace")
    except OSError as error:
        sys.stdout.write(f"{url}: {error}\n")
        return 1
    if text in body:
        return 0
    sys.stdout.write(f"{url} answered without {text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
