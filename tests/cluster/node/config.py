"""The configuration of the node's processes, and their commands. Nothing here touches the world."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node import archives
from node.layout import Node

_CONTAINERD = """\
version = 2
oom_score = 0
disabled_plugins = [{disabled}]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE nobody may go below their own score.
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
"""
POLICIES_PORT = 20244
"""Where what enforces network policies says that it does."""
_UNUSED = (
    "snapshotter.v1.aufs",
    "snapshotter.v1.btrfs",
    "snapshotter.v1.zfs",
    "snapshotter.v1.devmapper",
    "internal.v1.opt",
)


def files(node: Node) -> dict[str, str]:
    """Every configuration file, by its path below ``node.conf``."""
    disabled = ", ".join(f'"io.containerd.{name}"' for name in _UNUSED)
    containerd = _CONTAINERD.format(disabled=disabled, pause=archives.reference("pause"), cni=node.conf / "cni")
    return {
        "containerd.toml": containerd,
        "cni/10-test.conflist": json.dumps(_network(node)),
        "kubelet.json": json.dumps(_kubelet(node)),
        "kube-proxy.json": json.dumps(_proxy(node)),
        "resolv.conf": "nameserver 127.0.0.1\n",
    }


def _network(node: Node) -> dict[str, Any]:
    ranges = {"type": "host-local", "ranges": [[{"subnet": node.own_pods}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": ranges,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "test", "plugins": [bridge, ports]}


def _kubelet(node: Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.group}",
        # It then tolerates what root without CAP_SYS_RESOURCE may not write.
        "featureGates": {"KubeletInUserNamespace": True},
        "oomScoreAdj": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(node.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(node.pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(node.pki / "kubelet-server.key"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [node.dns],
        "resolvConf": str(node.conf / "resolv.conf"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "failSwapOn": False,
        # By shares of the whole disk it would remove images that no registry has.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "maxPods": 200,
    }


def _proxy(node: Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(node.pki / "kube-proxy.kubeconfig")},
        "clusterCIDR": node.pods,
        "oomScoreAdj": 0,
        # It may not change limits of the whole machine.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


_RECOVERING = "server is not initialized yet"


def commands(node: Node, programs: Mapping[str, Path]) -> dict[str, list[str]]:
    """The command of every process, in the order of their start."""
    kube = str(programs["kubeaio"])
    pki = node.pki
    return {
        "containerd": ["containerd", "-c", str(node.conf / "containerd.toml")],
        "etcd": [
            *(kube, "etcd", "--data-dir", "/var/lib/etcd", "--unsafe-no-fsync", "--log-level", "warn"),
            *("--listen-peer-urls", "http://127.0.0.1:2380"),
        ],
        "kube-apiserver": [kube, "kube-apiserver", *_flags(_api_server(node))],
        "kube-controller-manager": [
            *(kube, "kube-controller-manager", "--leader-elect=false", "--use-service-account-credentials"),
            *("--kubeconfig", str(pki / "kube-controller-manager.kubeconfig")),
            *("--service-account-private-key-file", str(pki / "sa.key"), "--root-ca-file", str(pki / "ca.crt")),
            *("--cluster-signing-cert-file", str(pki / "ca.crt"), "--cluster-signing-key-file", str(pki / "ca.key")),
            *("--allocate-node-cidrs", "--cluster-cidr", node.pods),
        ],
        "kube-scheduler": [
            *(kube, "kube-scheduler", "--leader-elect=false", "--kubeconfig", str(pki / "kube-scheduler.kubeconfig")),
        ],
        "kubelet": [
            # Its runtime first goes through what an earlier node left; a kubelet that comes before that is done ends.
            *("sh", "-c", f'until "$@"; do tail -n 1 "$0" | grep -q "{_RECOVERING}" || exit 1; sleep 1; done'),
            str(node.log / "kubelet.log"),
            *(kube, "kubelet", "--config", str(node.conf / "kubelet.json"), "--node-ip", node.address),
            *("--kubeconfig", str(pki / "kubelet.kubeconfig"), "--hostname-override", node.name),
        ],
        "kube-proxy": [
            *(kube, "kube-proxy", "--config", str(node.conf / "kube-proxy.json"), "--hostname-override", node.name),
        ],
        # Only what enforces network policies; pods of one node talk over its bridge, services are kube-proxy's.
        "kube-router": [
            # It ends when it does not find the node, which the kubelet makes known.
            *("sh", "-c", 'until "$0" kubectl --kubeconfig "$1" get node "$2"; do sleep 1; done; shift 2; exec "$@"'),
            *(kube, str(node.kubeconfig), node.name),
            *(str(programs["kube-router"]), "--run-firewall=true", "--run-router=false", "--run-service-proxy=false"),
            *("--kubeconfig", str(node.kubeconfig), "--hostname-override", node.name, "--enable-cni=false"),
            *("--service-cluster-ip-range", node.services, "--health-port", str(POLICIES_PORT)),
        ],
    }


def _api_server(node: Node) -> dict[str, str]:
    pki = node.pki
    return {
        "etcd-servers": "http://127.0.0.1:2379",
        "advertise-address": node.address,
        "secure-port": "6443",
        "tls-cert-file": str(pki / "apiserver.crt"),
        "tls-private-key-file": str(pki / "apiserver.key"),
        "client-ca-file": str(pki / "ca.crt"),
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": str(pki / "sa.pub"),
        "service-account-signing-key-file": str(pki / "sa.key"),
        "kubelet-client-certificate": str(pki / "apiserver-kubelet-client.crt"),
        "kubelet-client-key": str(pki / "apiserver-kubelet-client.key"),
        "kubelet-certificate-authority": str(pki / "ca.crt"),
        "kubelet-preferred-address-types": "InternalIP",
        "requestheader-client-ca-file": str(pki / "ca.crt"),
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": str(pki / "front-proxy-client.crt"),
        "proxy-client-key-file": str(pki / "front-proxy-client.key"),
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "service-cluster-ip-range": node.services,
    }


def _flags(values: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]
