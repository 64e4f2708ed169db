"""Start and end the node: a control plane, a kubelet and containerd in namespaces of their own."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
from lakehold.errors import StartError
from node import archives, certificates, config, programs
from node.layout import HERE, Node

_GROUPS = Path("/sys/fs/cgroup")
_NEEDS = {
    "containerd": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "ipset": "ipset",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "busybox": "busybox-static",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
"""Program → the Debian package that has it."""
_SHARES, _WEIGHT = "cpu.shares", 8 * 1024
_NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc")
Say = Callable[[str], None]


def preflight() -> None:
    """Refuse a machine on which the node cannot run."""
    if os.getuid() != 0:
        raise StartError("A Kubernetes node needs root.", why="it makes namespaces, mounts and network devices")
    if (_GROUPS / "cgroup.controllers").exists():
        raise StartError("The tests' node has only been made to work with control groups of version 1.")
    packages = sorted({package for program, package in _NEEDS.items() if shutil.which(program) is None})
    if packages:
        raise StartError("The tests' node lacks programs.", remedy=f"apt-get install {' '.join(packages)}")


def is_up(node: Node) -> bool:
    """Whether the node's processes are there."""
    return node.pid.is_file() and _alive(int(node.pid.read_text()))


def ensure_up(node: Node, say: Say) -> None:
    """Start a new node and wait until pods can be started on it; one that is up stays."""
    preflight()
    if is_up(node):
        return
    built = {name: programs.ensure(node, name) for name in ("helm", "kube-router", "kubeaio")}
    own = archives.ensure(node)
    began = time.monotonic()

    def tell(what: str) -> None:
        say(f"{time.monotonic() - began:6.1f} s  {what}")

    down(node)
    _new(node)
    certificates.ensure(node)
    _configure(node, built)
    _group(node)
    _start(node)
    _connect(node)
    _wait(lambda: kubectl(node, "get", "--raw", "/readyz", check=False).returncode == 0, 180, "the API server answers")
    tell("the API server answers")
    for archive in own:
        load(node, archive)
    tell("its own images are loaded")
    _wait(lambda: kubectl(node, "get", "node", node.name, check=False).returncode == 0, 90, "the node is known")
    kubectl(node, "wait", "--for=condition=Ready", f"node/{node.name}", "--timeout=180s")
    tell("the node is ready")
    kubectl(node, "apply", "-f", str(HERE / "addons"))
    for namespace, name in (("kube-system", "coredns"), ("local-path-storage", "local-path-provisioner")):
        kubectl(node, "-n", namespace, "rollout", "status", f"deploy/{name}", "--timeout=180s")
    tell("names and volumes are there")
    _wait(lambda: _answers(f"http://{node.address}:{config.POLICIES_PORT}/healthz"), 90, "policies are enforced")
    tell("policies are enforced")


def down(node: Node) -> None:
    """End the node; images that were loaded and logs stay."""
    if is_up(node):
        # Number 1 of a namespace: the kernel ends everything in it.
        for file in (node.init, node.pid):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(int(file.read_text()), signal.SIGKILL)
        _wait(lambda: not is_up(node), 30, "the node ends")
    _run(["ip", "link", "del", node.device], check=False)
    _wait(lambda: _remove_groups(node), 30, "its control groups are empty")
    for file in (node.pid, node.init):
        file.unlink(missing_ok=True)


def load(node: Node, archive: Path) -> None:
    """Load an image; one that was loaded already from this very file is there."""
    status = archive.stat()
    mark = node.state / "containerd" / "loaded" / f"{archive.name}-{status.st_size}-{status.st_mtime_ns}"
    if not mark.exists():
        execute(node, ["ctr", "--namespace", "k8s.io", "images", "import", str(archive)])
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def execute(node: Node, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command inside of the node."""
    inside = ["nsenter", "-t", node.init.read_text().strip(), "-n", "-m", "-p", "-u", "-i", "--", *command]
    return _run(inside)


def kubectl(
    node: Node, *arguments: str, check: bool = True, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run kubectl as the cluster's administrator."""
    command = [str(programs.program(node, "kubeaio")), "kubectl", "--kubeconfig", str(node.kubeconfig), *arguments]
    return _run(command, check=check, stdin=stdin)


def _run(command: Sequence[str], *, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, input=stdin)
    if check and done.returncode:
        raise StartError(
            f"{shlex.join(command)} exited {done.returncode}.", why=done.stderr[-2000:] or done.stdout[-500:]
        )
    return done


def _new(node: Node) -> None:
    """Forget the last node, but not the images it had loaded."""
    for folder in (node.pki, node.conf, node.log, *node.state.glob("*")):
        if folder.name != "containerd":
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (node.pki, node.conf / "cni", node.log, node.state / "etcd", node.state / "kubelet"):
        folder.mkdir(parents=True)


def _configure(node: Node, built: dict[str, Path]) -> None:
    for name, text in config.files(node).items():
        (node.conf / name).write_text(text, encoding="utf-8")
    lines = [shlex.join(["start", name, *command]) for name, command in config.commands(node, built).items()]
    # The kubelet ends without a runtime to talk to.
    wait = "until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done"
    lines.insert(1, wait)
    (node.conf / "processes.sh").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _group(node: Node) -> None:
    """Make the kubelet's root in every hierarchy."""
    for hierarchy in (one for one in _GROUPS.iterdir() if one.is_dir() and one.name != "unified"):
        group = hierarchy / node.group
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists():
                (group / file).write_text((hierarchy / file).read_text())
        if (group / _SHARES).exists():
            # All pods together would weigh as much as one other process of the machine, and starve beside a few.
            (group / _SHARES).write_text(str(_WEIGHT))


def _remove_groups(node: Node) -> bool:
    left = [group for group in _GROUPS.glob(f"*/{node.group}") if group.is_dir()]
    for group in left:
        for folder, _folders, _files in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106 - os.walk gives strings
    return not any(group.exists() for group in left)


def _start(node: Node) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(node.run),
        "NODE": node.name,
        "ADDRESS": node.address,
        "GATEWAY": node.gateway,
        "DEVICE": "eth0",
        "RUN": str(node.run),
        "CONF": str(node.conf),
    }
    command = ["unshare", *_NAMESPACES, "--propagation", "private", "bash", str(HERE / "init.sh")]
    with (node.log / "init.log").open("wb") as log:
        started = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    node.pid.write_text(str(started.pid))
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
    _wait(lambda: bool(children.read_text().split()), 30, "the namespaces are made")
    node.init.write_text(children.read_text().split()[0])


def _connect(node: Node) -> None:
    """Give the node a network device; the machine's end leads to pods and services."""
    init = node.init.read_text()
    _wait(lambda: _network(init) != _network("self"), 30, "the network namespace is made")
    _run(["ip", "link", "add", node.device, "type", "veth", "peer", "name", "eth0", "netns", init])
    _run(["ip", "addr", "add", f"{node.gateway}/24", "dev", node.device])
    _run(["ip", "link", "set", node.device, "up"])
    for addresses in (node.services, node.pods):
        _run(["ip", "route", "replace", addresses, "via", node.address, "dev", node.device])


def _answers(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(address, trust_env=False, timeout=5).status_code == httpx.codes.OK
    return False


def _network(pid: str) -> Path:
    return Path(f"/proc/{pid}/ns/net").readlink()


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return Path(f"/proc/{pid}").exists()


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StartError(
                f"Not within {seconds:.0f} s: {what}.", remedy="read the logs in the store: cluster/run/log"
            )
        time.sleep(0.1)
