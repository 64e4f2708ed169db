"""Where everything of the tests' node is, and the addresses it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lakehold.release.store import default_root

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Node:
    """One node; all it writes is below ``root``, but for a network device, two routes and a control group."""

    root: Path
    name: str = "node1"
    address: str = "10.99.0.2"
    gateway: str = "10.99.0.1"
    services: str = "10.96.0.0/16"
    pods: str = "10.244.0.0/16"
    own_pods: str = "10.244.0.0/24"
    api: str = "10.96.0.1"
    dns: str = "10.96.0.10"
    device: str = "lakehold0"
    group: str = "lakehold-test"

    @property
    def programs(self) -> Path:
        """Built programs, one folder each."""
        return self.root / "programs"

    @property
    def go(self) -> Path:
        """Go's caches of modules and of what is compiled."""
        return self.root / "go"

    @property
    def images(self) -> Path:
        """The node's own images, as archives."""
        return self.root / "images"

    @property
    def schemas(self) -> Path:
        """The API's schemas, for kubeconform."""
        return self.root / "schemas"

    @property
    def run(self) -> Path:
        """What a running node writes."""
        return self.root / "run"

    @property
    def state(self) -> Path:
        """What the node has as /var/lib."""
        return self.run / "varlib"

    @property
    def conf(self) -> Path:
        """Configuration files."""
        return self.run / "conf"

    @property
    def pki(self) -> Path:
        """Certificates, and a kubeconfig for everybody who needs one."""
        return self.run / "pki"

    @property
    def log(self) -> Path:
        """The log of every process of the node."""
        return self.run / "log"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.pki / "admin.kubeconfig"

    @property
    def pid(self) -> Path:
        """The process whose end is the node's end."""
        return self.run / "node.pid"

    @property
    def init(self) -> Path:
        """The process that is number 1 in the node."""
        return self.run / "init.pid"


def default() -> Node:
    """The node of this user's store."""
    return Node(root=default_root() / "cluster")
