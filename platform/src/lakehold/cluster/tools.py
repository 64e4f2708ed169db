"""Run ``kubectl`` and ``helm``, and say what it means when they fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from lakehold.cluster.commands import RELEASE, Cluster
from lakehold.errors import BusyError, ConfigError, LakeholdError, NotRunningError

_SECONDS = 120
CHANGE_SECONDS = 600
"""How long Helm may take to change a release, which does not include that it gets ready. Ended half-way, it would leave
the release marked as being changed."""
_SAID = 800


class ToolError(LakeholdError):
    """A program refused; ``said`` is all it wrote to standard error."""

    def __init__(self, what: str, *, said: str, remedy: str = "") -> None:
        super().__init__(what, why=said.strip()[:_SAID], remedy=remedy)
        self.said = said


_CAUSES: tuple[tuple[str, type[LakeholdError], str, str], ...] = (
    (
        r"context .* does not exist|no context exists|cannot locate context",
        ConfigError,
        "your kubeconfig has no such context.",
        "kubectl config get-contexts lists them; KUBECONFIG names another file",
    ),
    (
        r"[Uu]nable to connect to the server|cluster unreachable|connection refused|no such host|i/o timeout"
        r"|was refused",
        NotRunningError,
        "the cluster does not answer.",
        "kubectl cluster-info, and the network between here and there",
    ),
    (
        r"[Uu]nauthorized|must be logged in|provide credentials",
        ConfigError,
        "the cluster does not know you.",
        "log in again with what your cluster comes with, then try again",
    ),
    (
        r"values don't meet the specifications|execution error at|failed parsing --set",
        ConfigError,
        "the chart does not take these values.",
        "docs/reference/chart.md has all values; the message names the one that is wrong",
    ),
    (
        r"has no deployed releases",
        NotRunningError,
        "the release was never installed completely.",
        "helm uninstall it (volumes and Secrets stay), then: lakehold install --context …",
    ),
    (
        r"another operation \(install/upgrade/rollback\) is in progress",
        BusyError,
        "somebody else is changing the release, or was interrupted while doing so.",
        "helm history shows it; a revision that stays pending was interrupted: helm rollback to the one before",
    ),
    (r"release: not found", NotRunningError, "no such release is installed there.", "lakehold install --context …"),
)


def find(context: str, namespace: str = "", release: str = RELEASE, environ: Mapping[str, str] = os.environ) -> Cluster:
    """Return the release that is meant.

    The programs are those that ``KUBECTL`` and ``HELM`` name, else those on the PATH. Without a namespace it is the
    context's own.
    """
    programs = {name: _program(name, environ) for name in ("kubectl", "helm")}
    found = Cluster(context=context, namespace=namespace, release=release, **programs)
    if namespace:
        return found
    view = run_json([found.kubectl, "config", "view", "--minify", "--context", context, "--output", "json"])
    own = ((view.get("contexts") or [{}])[0].get("context") or {}).get("namespace") or "default"
    return Cluster(context=context, namespace=own, release=release, **programs)


def _program(name: str, environ: Mapping[str, str]) -> str:
    path = environ.get(name.upper()) or shutil.which(name, path=environ.get("PATH"))
    if not path:
        raise ConfigError(
            f"{name} is needed to speak to a cluster, and is not on the PATH.",
            remedy=f"install {name}, or name the program: {name.upper()}=/path/to/{name}",
        )
    return path


def run(command: Sequence[str], *, stdin: str = "", seconds: float = _SECONDS) -> str:
    """Run to the end and return standard output; an error that says what is wrong when it fails."""
    try:
        done = subprocess.run(
            list(command), input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise NotRunningError(
            f"{_short(command)} did not end within {seconds:.0f} s.",
            remedy="look whether the cluster answers: kubectl cluster-info",
        ) from error
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be run.", why=str(error)) from error
    if done.returncode:
        raise explained(command, done.stderr or done.stdout)
    return done.stdout


def run_json(command: Sequence[str], *, stdin: str = "", seconds: float = _SECONDS) -> Any:
    """Run to the end and read the JSON it printed; nothing at all is an object with nothing in it."""
    return json.loads(run(command, stdin=stdin, seconds=seconds) or "{}")


def run_all(command: Sequence[str], *, stdin: str = "", seconds: float = _SECONDS) -> list[Any]:
    """Run to the end and read every JSON document it printed, one after the other."""
    text, found = run(command, stdin=stdin, seconds=seconds).strip(), []
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


def explained(command: Sequence[str], said: str) -> LakeholdError:
    """Return what a failure means to whoever asked; pure."""
    text = "\n".join(line for line in said.splitlines() if not re.match(r"[EIW]\d{4} ", line)) or said
    for pattern, kind, what, remedy in _CAUSES:
        if re.search(pattern, said):
            return kind(what, why=text.strip()[:_SAID], remedy=remedy)
    if "forbidden" in text.lower() and "cannot" in text:
        return ToolError("you lack a right for that.", said=text, remedy="ask for the role, or use another --context")
    return ToolError(f"{_short(command)} failed.", said=text)


def attempt_json(command: Sequence[str]) -> Any | None:
    """Read the JSON it prints, or ``None`` where that is refused: not everybody may see nodes or classes."""
    try:
        return run_json(command)
    except ToolError:
        return None


def _short(command: Sequence[str]) -> str:
    """Name a command by its program and first words, without its options."""
    words: list[str] = []
    skip = False
    for word in command[1:]:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word and word not in ("--create-namespace", "--reset-then-reuse-values")
        else:
            words.append(word)
    return " ".join([command[0].rsplit("/", 1)[-1], *words[:2]])
