"""A further node of Trino, in a cluster only: it works on queries and takes none."""

from __future__ import annotations

from dataclasses import replace

from lakehold.components.model import ConfigFile, Site
from lakehold.components.trino import TRINO, catalogs, every_node, properties

NAME = "trino-worker"
NODES = "-nodes"
"""What the name of the Service that leads to the coordinator's pod, and not to an address of its own, ends with."""
GRACE_SECONDS = 15
"""Twice this passes before a node that was asked to leave is gone: so long others may still send it work, or ask."""

_ACCESS = "etc/access-control.properties"


def worker_properties(site: Site) -> dict[str, str]:
    """``config.properties``. The coordinator is found by its pod's address, for which it has a certificate."""
    return {
        "coordinator": "false",
        "discovery.uri": f"https://{site.at('trino')}{NODES}:{site.ports['trino']}",
        "shutdown.grace-period": f"{GRACE_SECONDS}s",
        "access-control.config-files": str(site.conf("trino") / _ACCESS),
        **every_node(site),
    }


def _files(site: Site) -> list[ConfigFile]:
    return [
        ConfigFile(path="etc/config.properties", text=properties(worker_properties(site))),
        # The coordinator decides who may do what to data. Trino's default lets nobody ask a node to leave.
        ConfigFile(path=_ACCESS, text=properties({"access-control.name": "allow-all"})),
        ConfigFile(path="etc/log.properties", text=properties({"Bootstrap": "WARN"})),
        *catalogs(site),
    ]


TRINO_WORKER = replace(
    TRINO,
    summary="a further node of Trino, which works on queries and takes none",
    needs=(),
    secrets=("trino.shared-secret", "postgres.trino", "s3.trino"),
    files=_files,
    processes=(replace(TRINO.processes[0], name=NAME),),
    after=(),
)
"""Trino's worker, as one declaration."""
