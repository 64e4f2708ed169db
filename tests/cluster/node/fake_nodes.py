"""Nodes that are only objects: kwok, a process beside the real node, plays their kubelets."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node import machine, programs
from node.layout import HERE, Node

_MARK = "lakehold.test/simulated"
_STAGES = HERE / "stages"
_SELECTOR = f"{_MARK}=kwok"


def manifest(name: str, zone: str, size: Mapping[str, str]) -> dict[str, Any]:
    """A node of a size, in a zone; nothing is placed on it that does not tolerate it."""
    labels = {_MARK: "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {**labels, "topology.kubernetes.io/zone": zone},
            "annotations": {_MARK: "kwok"},
        },
        "spec": {"taints": [{"key": _MARK, "value": "kwok", "effect": "NoSchedule"}]},
        "status": {"allocatable": dict(size), "capacity": dict(size)},
    }


def placed(pod: Mapping[str, Any]) -> dict[str, Any]:
    """A pod's specification, to run on these nodes and on no other."""
    return {**pod, "nodeSelector": {_MARK: "kwok"}, "tolerations": [{"key": _MARK, "operator": "Exists"}]}


@dataclass(kw_only=True)
class Kubelets:
    """The process that plays them; it can be told to play something else, and made to stand still."""

    node: Node
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None)

    def play(self, *stages: str) -> None:
        """Do what these files of ``stages/`` say."""
        self.end()
        command = [
            # It ends with the tests, however these end.
            *("setpriv", "--pdeathsig", "KILL", str(programs.program(self.node, "kwok"))),
            *("--kubeconfig", str(self.node.kubeconfig), "--manage-nodes-with-annotation-selector", _SELECTOR),
            # One that follows another need not wait until that one's leases have run out.
            *("--node-lease-duration-seconds", "0"),
            *(word for name in stages for word in ("--config", str(_STAGES / f"{name}.yaml"))),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.log.parent)

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing of what the control plane wants happens on any of the nodes."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def add(node: Node, nodes: list[dict[str, Any]]) -> None:
    """Make the nodes known; the kubelets make them ready."""
    machine.kubectl(node, "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))


def wait(node: Node) -> None:
    """Wait until all of them are ready."""
    machine.kubectl(node, "wait", "--for=condition=Ready", "node", "--selector", _SELECTOR, "--timeout=120s")


def remove(node: Node) -> None:
    """Remove them all, those of tests that were interrupted too."""
    machine.kubectl(node, "delete", "node", "--selector", _SELECTOR, "--ignore-not-found")
