"""``lakehold logs --context``: what the containers of a release write."""

from __future__ import annotations

import subprocess
import sys

from lakehold.cluster import selection
from lakehold.cluster.commands import Cluster, logs
from lakehold.cluster.tools import explained
from lakehold.components.registry import COMPONENTS
from lakehold.errors import NotRunningError


def show(cluster: Cluster, name: str | None, *, lines: int, follow: bool) -> None:
    """Pass on what kubectl prints, as it comes: each line begins with its pod and container."""
    which = selection.select(name, COMPONENTS)
    command = logs(
        cluster, f"{cluster.instance},{which.selector}", lines=lines, follow=follow, container=which.container
    )
    sys.stdout.flush()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise explained(command, done.stderr)
    if "No resources found" in done.stderr:
        raise NotRunningError(
            f"there is no pod of {name or cluster.release} now.", remedy=f"lakehold status {cluster.options}"
        )
    sys.stderr.write(done.stderr)
