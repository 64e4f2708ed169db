"""Ask the API server whether one Airflow job (``scheduler``, ``triggerer``, ``dag_processor``) has a fresh heartbeat.

With ``--unless-unknown`` it counts as alive while nobody can tell: that the API server is away is no reason to start
the others again.

Run as a file with ``python -I``: it imports the standard library only, so that it takes 0.1 s and not Airflow's 3.
"""

from __future__ import annotations

import json
import sys
import urllib.request

_UNLESS_UNKNOWN = "--unless-unknown"


def status(url: str, job: str) -> str:
    """``healthy``, ``unhealthy`` or, for a job that has never run, ``absent``; :class:`OSError` when nobody answers."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - the URL is ours
        return json.load(answer).get(job, {}).get("status") or "absent"


def main(url: str, job: str, option: str = "") -> int:
    """Exit code 0 when the job is healthy."""
    try:
        found = status(url, job)
    except OSError as error:
        sys.stdout.write(f"{job}: {error}\n")
        return 0 if option == _UNLESS_UNKNOWN else 1
    sys.stdout.write(f"{job}: {found}\n")
    return 0 if found == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
