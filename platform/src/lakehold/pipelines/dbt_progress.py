"""What has become of each model while ``dbt build`` runs: dbt's JSON events in, one line a model out.

A model counts as done when it and all its tests are: in ``dbt build`` a failed test keeps readers of the model from
being built, so the model is what failed. The lines go to a file that the models' triggers follow.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SUCCESS, FAILED, SKIPPED = "success", "failed", "skipped"

_BUILT = ("model", "seed", "snapshot")
_FAILED = ("error", "fail", "runtime error")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one model ended; ``seconds`` is dbt's own time for the model without its tests."""

    node: str
    status: str
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of one ``dbt build``: its id, the outcomes so far and, when it has ended, its exit code."""

    build: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    code: int | None = None


def tests_by_model(manifest: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return built node → its tests and unit tests, all by dbt's unique id.

    A test that reads several models counts for the one it is attached to; a test without one counts for the last it
    names, as dbt cannot run it before.
    """
    nodes = manifest["nodes"]
    tests: dict[str, set[str]] = {uid: set() for uid, node in nodes.items() if node["resource_type"] in _BUILT}
    checks = {uid: node for uid, node in nodes.items() if node["resource_type"] == "test"}
    for uid, node in {**checks, **manifest.get("unit_tests", {})}.items():
        parents = [parent for parent in node["depends_on"]["nodes"] if parent in tests]
        attached = node.get("attached_node")
        owner = attached if attached in tests else (parents[-1] if parents else None)
        if owner:
            tests[owner].add(uid)
    return tests


@dataclass
class Collector:
    """Collects finished nodes until a model is done."""

    tests: Mapping[str, set[str]]
    _results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def finished(self, uid: str, result: Mapping[str, Any]) -> list[Outcome]:
        """Take the end of one node; returns the models that are done by it."""
        self._results[uid] = result
        owners = [model for model, tests in self.tests.items() if uid == model or uid in tests]
        return [self._outcome(model) for model in owners if self._done(model)]

    def rest(self) -> list[Outcome]:
        """Return the models that have run but some of whose tests never did (they were not selected)."""
        return [self._outcome(model) for model in self.tests if model in self._results and model not in self._told]

    def _done(self, model: str) -> bool:
        # dbt runs unit tests before their model: one without a result by then was not selected.
        after = {uid for uid in self.tests[model] if not uid.startswith("unit_test.")}
        return model not in self._told and {model, *after} <= self._results.keys()

    def _outcome(self, model: str) -> Outcome:
        self._told.add(model)
        own = self._results[model]
        checks = [self._results[uid] for uid in sorted(self.tests[model]) if uid in self._results]
        failures = [result for result in (own, *checks) if result["status"] in _FAILED]
        status = FAILED if failures else SKIPPED if own["status"] == "skipped" else SUCCESS
        reasons = "; ".join(str(result.get("message") or result["status"]) for result in failures)
        passed = sum(result["status"] == "pass" for result in checks)
        message = reasons or f"{passed} of {len(checks)} tests passed"
        return Outcome(node=_name(model), status=status, seconds=float(own["execution_time"]), message=message)


def _name(uid: str) -> str:
    return uid.split(".")[2]


def progress_folder(work: str, dag_id: str, stamp: str, group: str) -> Path:
    """Where one run's progress is; ``stamp`` tells apart runs of the same name (one deleted, one new)."""
    return Path(work) / "dbt" / dag_id / re.sub(r"[^\w.@=-]", "_", stamp) / group


def write_start(folder: Path, build: str) -> None:
    """Begin the file anew: whatever an earlier build said no longer holds."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{build}"
    fresh.write_text(json.dumps({"build": build}) + "\n", encoding="utf-8")
    fresh.replace(folder / "progress.jsonl")


def write_outcomes(folder: Path, outcomes: Iterable[Outcome]) -> None:
    """Append outcomes; a line is one write, so a reader sees it whole or not at all."""
    _append(folder, [asdict(outcome) for outcome in outcomes])


def write_end(folder: Path, code: int) -> None:
    """Append the exit code."""
    _append(folder, [{"code": code}])


def _append(folder: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    with (folder / "progress.jsonl").open("ab", buffering=0) as file:
        for line in lines:
            file.write(json.dumps(line).encode() + b"\n")


def read(folder: Path) -> Progress | None:
    """Read the file as far as it is written; None when no build has begun."""
    try:
        text = (folder / "progress.jsonl").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    lines = [json.loads(line) for line in text.split("\n")[:-1]]
    outcomes = {line["node"]: Outcome(**line) for line in lines if "node" in line}
    code = next((line["code"] for line in lines if "code" in line), None)
    return Progress(build=lines[0]["build"], outcomes=outcomes, code=code)


def told_before(folder: Path, node: str, build: str, attempt: str) -> bool:
    """Whether an earlier attempt of the node's task has already ended with this build's outcome."""
    try:
        told = json.loads((folder / f"{node}.told").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return bool(told["build"] == build and told["attempt"] != attempt)


def write_told(folder: Path, node: str, build: str, attempt: str) -> None:
    """Remember that this attempt of the node's task ends with this build's outcome."""
    fresh = folder / f".{node}.{os.getpid()}"
    fresh.write_text(json.dumps({"build": build, "attempt": attempt}), encoding="utf-8")
    fresh.replace(folder / f"{node}.told")
