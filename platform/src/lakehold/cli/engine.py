"""Programs of the engine environment (pyiceberg, Great Expectations, Spark), run for a verb as a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import click

from lakehold.cli.context import OUT
from lakehold.components.airflow_tasks import platform_of
from lakehold.components.model import Site
from lakehold.config import platform
from lakehold.local.files import write_atomic

_KEPT = ("HOME", "LANG", "LC_ALL", "TERM", "NO_COLOR", "TMPDIR", "TZ")
"""Of the caller's environment; what else is there could change what the clients of Trino and S3 do."""


def engine(site: Site, module: str, *arguments: str) -> int:
    """Run ``python -m module arguments`` on the same terminal and return its exit code."""
    return _run(site, module, arguments, capture=False).returncode


def ask(site: Site, module: str, *arguments: str) -> Any:
    """Run the program and return the JSON it printed. When it ends badly it has said why, and the verb ends like it."""
    result = _run(site, module, arguments, capture=True)
    if result.returncode:
        raise click.exceptions.Exit(result.returncode)
    return json.loads(result.stdout)


def _run(site: Site, module: str, arguments: tuple[str, ...], *, capture: bool) -> subprocess.CompletedProcess[str]:
    command = [str(site.pythons["engine"]), "-m", module, *arguments]
    sys.stdout.flush()
    stdout = subprocess.PIPE if capture else None
    return subprocess.run(command, env=environment(site), stdout=stdout, text=True, check=False)


def environment(site: Site) -> dict[str, str]:
    """Return the child's variables: a few of ours, and where it finds the platform (a file only its owner reads)."""
    described = site.state / "run" / "platform.json"
    write_atomic(described, platform_of(site).dumps())
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "COLUMNS": str(OUT.width),
        "PYTHONPATH": str(site.checkout / "platform" / "src"),
        "PYTHONUNBUFFERED": "1",
        platform.VARIABLE: str(described),
    }
