"""One installation on this machine: its state directory, ports, secrets, certificates, artifacts and interpreters."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lakehold.components.model import Component, Site
from lakehold.components.registry import components_of
from lakehold.config.settings import Settings
from lakehold.errors import ConfigError
from lakehold.local.claims import claimed_elsewhere
from lakehold.local.files import ensure_directory, locked, read_json, write_json
from lakehold.local.ports import can_bind, choose_ports, declared_ports
from lakehold.local.secretfiles import ensure_secrets, outside_secrets, sink_secrets
from lakehold.local.tls import ensure_certificates
from lakehold.release.store import Store as ReleaseStore
from lakehold.release.store import default_root

_FORMAT = 1
_FOLDERS = (
    "conf",
    "data",
    "logs",
    "run",
    "run/process",
    "run/spec",
    "run/once",
    "secrets",
    "tls",
    "work",
    "work/home",
)


class Store(Protocol):
    """The part of the release store that the runtime needs."""

    def artifact(self, pin: str) -> Path:
        """Return where a pin is unpacked; ``ArtifactError`` when it is not there."""

    def python(self, env: str) -> Path:
        """Return the interpreter of an environment."""


class _Lazy(Mapping[str, Path]):
    """A mapping that asks the store only for what is read, so that a verb needs no more artifacts than it uses."""

    def __init__(self, names: Sequence[str], find: Callable[[str], Path]) -> None:
        self._names = tuple(dict.fromkeys(names))
        self._find = find

    def __getitem__(self, name: str) -> Path:
        if name not in self._names:
            raise KeyError(name)
        return self._find(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Secrets(Mapping[str, str]):
    """Every secret; one that was given as a file that cannot be used raises when it is read, not before.

    So `lakehold down` and `status`, which need none, work while a file is missing; `up` reads them all first.
    """

    def __init__(self, values: Mapping[str, str], given: Mapping[str, Callable[[], str]]) -> None:
        self._values = values
        self._given = given

    def __getitem__(self, name: str) -> str:
        return self._given[name]() if name in self._given else self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._values, **self._given})

    def __len__(self) -> int:
        return len({*self._values, *self._given})


def state_directory(settings: Settings, checkout: Path) -> Path:
    """Return the absolute state directory of an installation."""
    return Path(os.path.abspath(checkout / settings.state))  # noqa: PTH100  # resolve() would follow the user's links


def registered(settings: Settings, environ: Mapping[str, str] = os.environ) -> Sequence[Component]:
    """Return the platform's components, or ``COMPONENTS`` of the Python file that ``LAKEHOLD_COMPONENTS`` names."""
    name = environ.get("LAKEHOLD_COMPONENTS")
    if not name:
        return components_of(settings)
    spec = importlib.util.spec_from_file_location("lakehold_components", name)
    if spec is None or spec.loader is None or not Path(name).is_file():
        raise ConfigError(
            f"LAKEHOLD_COMPONENTS names {name}, which is no Python file.", remedy="unset LAKEHOLD_COMPONENTS"
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(module.COMPONENTS)


def load_site(
    settings: Settings,
    checkout: Path,
    *,
    components: Sequence[Component] | None = None,
    store: Store | None = None,
) -> Site:
    """Return the installation of ``checkout``, making on first use what makes it one (ports, secrets, certificates).

    Two callers at once agree on every value. Raises :class:`ConfigError` for a state directory that is a copy, belongs
    to another user or was written by a newer Lakehold, and for ports that cannot be.
    """
    components = registered(settings) if components is None else components
    store = ReleaseStore.default() if store is None else store
    if settings.s3.endpoint:
        raise ConfigError(
            "s3.endpoint: an outside object store is for clusters (helm/lakehold, the same key below `settings`).",
            why="on one machine the keys of the bundled one are made here, and nobody has given those of another",
            remedy="remove [s3] from lakehold.toml",
        )
    state = state_directory(settings, checkout)
    ensure_directory(state)
    _check_owner(state)
    for folder in _FOLDERS:
        ensure_directory(state / folder)
    (state / "work" / "tmp").mkdir(exist_ok=True)
    # Programs that refuse to run as root use it too; nobody else gets past the state directory's own mode.
    (state / "work" / "tmp").chmod(0o1777)
    with locked(state / "run" / "site.lock"):
        _check_identity(state)
        ports = _ensure_ports(state, settings, components)
        values = ensure_secrets(state / "secrets", (name for part in components for name in part.secrets))
        ensure_certificates(state / "tls", settings.bind, dt.datetime.now(dt.UTC))
    known = store
    return Site(
        settings=settings,
        checkout=checkout,
        state=state,
        artifacts=_Lazy([pin for part in components for pin in part.artifacts], known.artifact),
        pythons=_Lazy(
            ["lakehold", *(env for part in components for env in part.pythons)], lambda env: _python(known, env)
        ),
        ports=ports,
        secrets=_Secrets(values, {**outside_secrets(settings.catalog, checkout), **sink_secrets(settings, checkout)}),
    )


def _python(store: Store, env: str) -> Path:
    return Path(sys.executable) if env == "lakehold" else store.python(env)


def _ensure_ports(state: Path, settings: Settings, components: Sequence[Component]) -> dict[str, int]:
    path = state / "ports.json"
    kept = {key: port for key, port in (read_json(path) or {}).items() if isinstance(port, int)}
    bindable = can_bind(settings.bind)
    with claimed_elsewhere(default_root(os.environ), state) as claimed:
        ports = choose_ports(
            declared_ports(components),
            fixed=settings.ports,
            kept=kept,
            is_free=lambda port: port not in claimed and bindable(port),
        )
        write_json(path, {**kept, **ports})
    return ports


def _check_owner(state: Path) -> None:
    owner = state.stat().st_uid
    if owner != os.geteuid():
        raise ConfigError(
            f"{state} belongs to another user (uid {owner}).",
            why="the platform's processes, secrets and data have one owner",
            remedy="run lakehold as that user, or choose another folder: LAKEHOLD_STATE=… lakehold up",
        )


def _check_identity(state: Path) -> None:
    """Refuse a copy of a living installation: both would want the same ports and would share every secret."""
    path = state / "site.json"
    known: dict[str, Any] = read_json(path) or {"id": str(uuid.uuid4()), "state": str(state), "format": _FORMAT}
    if int(known.get("format", 0)) > _FORMAT:
        raise ConfigError(
            f"{state} was written by a newer Lakehold (format {known['format']}, this one knows {_FORMAT}).",
            remedy="check out the newer release again, or choose another folder: LAKEHOLD_STATE=… lakehold up",
        )
    before = Path(str(known["state"]))
    if before != state:
        original = read_json(before / "site.json")
        if original and original.get("id") == known["id"] and not before.samefile(state):
            raise ConfigError(
                f"{state} is a copy of {before}.",
                why="two installations with the same ports and secrets would get in each other's way",
                remedy=f"rm -r {state} for a fresh one, or move instead of copying",
            )
    write_json(path, {**known, "state": str(state), "format": _FORMAT})
