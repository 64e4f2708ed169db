"""The node's certificates: the subjects that role bindings and the node authorizer know."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from node.layout import Node

_DAYS = dt.timedelta(days=3650)
_MASTERS = "system:masters"
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ensure(node: Node) -> None:
    """Write the authority, every certificate and a kubeconfig for everybody who has one."""
    if node.kubeconfig.is_file():
        return
    node.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _sign(_name("lakehold-test"), key.public_key(), _name("lakehold-test"), key, _authority())
    _write(node.pki / "ca.crt", _pem(authority))
    _write(node.pki / "ca.key", _pem_key(key))
    account = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write(node.pki / "sa.key", _pem_key(account))
    public = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    _write(node.pki / "sa.pub", account.public_key().public_bytes(*public))
    own = f"system:node:{node.name}"
    cluster = [f"kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")]
    asked: dict[str, tuple[x509.Name, x509.ObjectIdentifier, Sequence[str]]] = {
        "apiserver": (_name("kube-apiserver"), _SERVER, [*cluster, "localhost", "127.0.0.1", node.address, node.api]),
        "kubelet-server": (_name(own, "system:nodes"), _SERVER, [node.name, node.address]),
        "apiserver-kubelet-client": (_name("kube-apiserver-kubelet-client", _MASTERS), _CLIENT, []),
        "front-proxy-client": (_name("front-proxy-client"), _CLIENT, []),
        "admin": (_name("admin", _MASTERS), _CLIENT, []),
        "kube-controller-manager": (_name("system:kube-controller-manager"), _CLIENT, []),
        "kube-scheduler": (_name("system:kube-scheduler"), _CLIENT, []),
        "kube-proxy": (_name("system:kube-proxy"), _CLIENT, []),
        "kubelet": (_name(own, "system:nodes"), _CLIENT, []),
    }
    for file, (subject, usage, hosts) in asked.items():
        own_key = ec.generate_private_key(ec.SECP256R1())
        signed = _sign(subject, own_key.public_key(), authority.subject, key, _end(usage, hosts))
        _write(node.pki / f"{file}.crt", _pem(signed))
        _write(node.pki / f"{file}.key", _pem_key(own_key))
    for file in ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "admin"):
        _write(node.pki / f"{file}.kubeconfig", _kubeconfig(node, file))


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _authority() -> list[tuple[x509.ExtensionType, bool]]:
    return [(x509.BasicConstraints(ca=True, path_length=None), True)]


def _end(usage: x509.ObjectIdentifier, hosts: Sequence[str]) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage([usage]), False)]
    names = [_host(host) for host in hosts]
    return [*found, (x509.SubjectAlternativeName(names), False)] if names else found


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _sign(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    key: _PrivateKey,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _DAYS)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: _PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _kubeconfig(node: Node, user: str) -> bytes:
    """A kubeconfig with everything in it, so that it can be copied; JSON is YAML."""

    def held(file: str) -> str:
        return base64.b64encode((node.pki / file).read_bytes()).decode()

    cluster = {"server": f"https://{node.address}:6443", "certificate-authority-data": held("ca.crt")}
    login = {"client-certificate-data": held(f"{user}.crt"), "client-key-data": held(f"{user}.key")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": user, "user": login}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    }
    return json.dumps(document, indent=1).encode()


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
