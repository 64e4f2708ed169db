"""Build the node's programs from Go modules, with the pinned toolchain; what is built stays in the store."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehold.errors import ArtifactError
from lakehold.release.store import Store
from node.layout import HERE, Node

VERSIONS = HERE / "versions.toml"
_STAGING = re.compile(r"^\s+(k8s\.io/[a-z-]+) => \./staging", re.MULTILINE)
_NO_VERSION = re.compile(r"^(\s+k8s\.io/[a-z-]+) v0\.0\.0( .*)?$", re.MULTILINE)
_VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def versions() -> dict[str, Any]:
    """Everything that is pinned."""
    return tomllib.loads(VERSIONS.read_text(encoding="utf-8"))


def names() -> list[str]:
    """All programs, Kubernetes last: it takes longest."""
    return [*versions()["programs"], "pause", "kubeaio"]


def program(node: Node, name: str) -> Path:
    """Where a program is, or would be: another pin, source or toolchain is another folder."""
    table = versions()
    source = HERE / name / "main.go"
    recipe = {
        "go": Store.default().pins.artifact("go").version,
        "pin": table["kubernetes"] if name == "kubeaio" else table["programs"].get(name),
        "source": source.read_text(encoding="utf-8") if source.is_file() else "",
    }
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    return node.programs / f"{name}-{key}" / name


def ensure(node: Node, name: str) -> Path:
    """Return a program; it is built if it is not there. Kubernetes takes ten minutes of two cores."""
    built = program(node, name)
    if built.is_file():
        return built
    builds = {"kubeaio": _kubernetes, "coredns": _around, "pause": _own}
    with tempfile.TemporaryDirectory(dir=_folder(node.programs)) as work:
        made = Path(work) / name
        builds.get(name, _module)(node, name, made)
        _folder(built.parent)
        made.rename(built)
    return built


def modules(node: Node, module: str, version: str, total: str, *, listed: bool = True) -> Path:
    """Return the folder of a module's source; :class:`ArtifactError` when it is not what is pinned."""
    # A module that Go's database of sums does not list is checked by our own sum alone.
    environment = _environment(node) | ({} if listed else {"GONOSUMDB": module})
    with tempfile.TemporaryDirectory() as nowhere:
        said = _run(["go", "mod", "download", "-json", f"{module}@{version}"], Path(nowhere), environment)
    answer = json.loads(said)
    if answer["Sum"] != total:
        raise ArtifactError(f"{module}@{version} is not what is pinned.", why=f"its sum is {answer['Sum']}")
    return Path(answer["Dir"])


def _module(node: Node, name: str, out: Path) -> None:
    """Build a program in its own module's folder: its requirements, replacements and sums are then its authors'."""
    pin = versions()["programs"][name]
    folder = modules(node, pin["module"], pin["version"], pin["sum"], listed=pin.get("listed", True))
    _build(node, folder, pin["package"], out, pin.get("variables", {}))


def _around(node: Node, name: str, out: Path) -> None:
    """Build our own main program around a module, with the requirements that its authors chose."""
    pin = versions()["programs"][name]
    upstream = modules(node, pin["module"], pin["version"], pin["sum"])
    required = (upstream / "go.mod").read_text(encoding="utf-8").replace(f"module {pin['module']}", f"module {name}")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        shutil.copy(HERE / name / "main.go", folder)
        (folder / "go.mod").write_text(f"{required}\nrequire {pin['module']} {pin['version']}\n", encoding="utf-8")
        shutil.copyfile(upstream / "go.sum", folder / "go.sum")
        _build(node, folder, ".", out, {}, "mod")


def _own(node: Node, name: str, out: Path) -> None:
    _build(node, HERE / name, ".", out, {})


def _kubernetes(node: Node, name: str, out: Path) -> None:
    """Build control plane, node and kubectl as one program.

    The module's own go.mod looks for its staging modules beside itself, where a published module has none: the same
    requirements, with the published ones instead.
    """
    pin = versions()["kubernetes"]
    upstream = modules(node, pin["module"], pin["version"], pin["sum"])
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        shutil.copy(HERE / name / "main.go", folder)
        (folder / "go.mod").write_text(go_mod((upstream / "go.mod").read_text(), pin["version"]), encoding="utf-8")
        # Upstream's sums lack only the staging modules: -mod=mod adds these. `go mod tidy` would want more.
        shutil.copyfile(upstream / "go.sum", folder / "go.sum")
        _build(node, folder, ".", out, _kubernetes_variables(pin["version"]), "mod")


def go_mod(upstream: str, version: str) -> str:
    """The go.mod of a program made of Kubernetes' own packages."""
    published = f"v0.{version.removeprefix('v1.')}"
    lines = re.findall(r"^(?:go|godebug) .*$", upstream, re.MULTILINE)
    requirements = re.findall(r"^require \(\n.*?^\)$", upstream, re.MULTILINE | re.DOTALL)
    replaced = [f"\t{one} => {one} {published}" for one in _STAGING.findall(upstream)]
    return "\n".join(
        [
            "module kubeaio\n",
            *lines,
            *(_NO_VERSION.sub(rf"\1 {published}\2", one) for one in requirements),
            f"require k8s.io/kubernetes {version}\n",
            "replace (",
            *replaced,
            ")\n",
        ]
    )


def _kubernetes_variables(version: str) -> dict[str, str]:
    """What the programs say of themselves; a server without a version is refused by its clients."""
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    return {f"{package}.{key}": value for package in _VERSION_PACKAGES for key, value in values.items()}


# "readonly", because some modules are published with a part of their vendor folder, which go would take for the whole.
def _build(
    node: Node, folder: Path, package: str, out: Path, variables: Mapping[str, str], mod: str = "readonly"
) -> None:
    words = ["-s", "-w", *(f"-X {key}={value}" for key, value in variables.items())]
    flags = ["-trimpath", "-buildvcs=false", f"-mod={mod}", "-ldflags", " ".join(words)]
    _run(["go", "build", *flags, "-o", str(out), package], folder, _environment(node))


def _environment(node: Node) -> dict[str, str]:
    """Go's whole environment: everything it keeps is in the store."""
    toolchain = Store.default().artifact("go")
    kept = {name: value for name, value in os.environ.items() if name.startswith(("GOPROXY", "GOSUM", "SSL_", "HTTP"))}
    return kept | {
        "HOME": str(node.go),
        "PATH": f"{toolchain / 'bin'}:{os.environ['PATH']}",
        "GOROOT": str(toolchain),
        "GOPATH": str(node.go),
        "GOMODCACHE": str(node.go / "mod"),
        "GOCACHE": str(node.go / "cache"),
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOTELEMETRY": "off",
        "GOENV": "off",
        "GOFLAGS": "",
    }


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
        raise ArtifactError(
            f"{' '.join(command[:3])} failed in {folder}.", why="\n".join(words[-5:]) or done.stdout[-500:]
        )
    return done.stdout


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
