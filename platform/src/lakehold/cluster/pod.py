"""The site as a process in a pod sees it: paths in its image, other components by their Service, secrets as mounted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from lakehold.cluster import layout
from lakehold.components.model import ANY_ADDRESS, Component, Executors, Git, Pods, Site
from lakehold.config.settings import Settings
from lakehold.errors import ConfigError


def ports(components: Sequence[Component]) -> dict[str, int]:
    """``<component>`` or ``<component>.<port>`` → port: the declared one, for every pod has an address of its own."""
    return {
        f"{part.name}.{name}" if name else part.name: port for part in components for name, port in part.ports.items()
    }


def site(
    components: Sequence[Component],
    settings: Settings,
    *,
    hosts: Mapping[str, str],
    secrets: Mapping[str, str],
    pods: Pods,
    outside: Mapping[str, int] = MappingProxyType({}),
    sslmode: str = "",
) -> Site:
    """Return the site of a pod; pure.

    ``hosts`` maps a component to its Service, or where it is outside to its host, and then ``outside`` has its port.
    ``sslmode`` is for an outside PostgreSQL.
    """
    environments = {layout.LAKEHOLD, *(name for part in components for name in part.pythons)}
    return Site(
        settings=settings,
        checkout=layout.CHECKOUT,
        state=layout.STATE,
        artifacts={pin: layout.STORE / pin for part in components for pin in part.artifacts},
        pythons={name: layout.python(name) for name in environments},
        ports={**ports(components), **outside},
        secrets=secrets,
        hosts=hosts,
        pods=pods,
        postgres_tls=postgres_tls(sslmode),
    )


def postgres_tls(sslmode: str) -> dict[str, str]:
    """Return what clients of an outside PostgreSQL are told; an authority only where it is asked about."""
    if not sslmode:
        return {}
    verified = sslmode.startswith("verify-")
    root = {"sslrootcert": str(layout.STATE / "tls" / layout.POSTGRES_CA)} if verified else {}
    return {"sslmode": sslmode, **root}


def pods_of(described: Mapping[str, Any]) -> Pods:
    """Return what only a cluster has, from what the chart says of it."""
    git = described["git"]
    return Pods(
        namespace=described["namespace"],
        template=layout.GIVEN / layout.TASK,
        executors=executors_of(described["spark"]),
        admin=described["admin"],
        trino_workers=described["trinoWorkers"],
        celery=int(described["celery"]),
        git=Git(url=git["url"], ref=git["ref"], dags=git["folder"], seconds=int(git["seconds"]))
        if git["url"]
        else None,
    )


def executors_of(described: Mapping[str, Any]) -> Executors | None:
    """Return what the chart's values ``spark`` say of executors, where there are any."""
    if not described["executors"]:
        return None
    executor = described["executor"]
    return Executors(
        count=int(described["executors"]),
        cores=int(executor["cores"]),
        heap=executor["heap"],
        overhead=executor["overhead"],
        cpu_request=str(executor["cpu"]["request"]),
        cpu_limit=str(executor["cpu"]["limit"]),
        account=described["account"],
        template=layout.GIVEN / layout.EXECUTOR,
    )


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Return the settings made of the chart's value ``settings``; :class:`ConfigError` names the path that is wrong."""
    try:
        return Settings.model_validate({**values, "bind": ANY_ADDRESS, "state": layout.STATE})
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, ('settings', *one['loc'])))}: {one['msg']}" for one in error.errors()]
        raise ConfigError(
            problems[0] if len(problems) == 1 else f"{len(problems)} values are wrong.",
            why="" if len(problems) == 1 else "\n          ".join(problems),
            remedy="correct the chart's values (all of them: docs/reference/chart.md) and upgrade",
        ) from error


class Mounted(Mapping[str, str]):
    """The secrets of a pod: a file each, and only those its component declares."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> str:
        """Read one; :class:`ConfigError` when it holds nothing."""
        path = self._folder / name
        if not path.is_file():
            raise KeyError(name)
        value = path.read_text(encoding="utf-8").strip()
        if not value:
            raise ConfigError(
                f"The secret {name} is empty.",
                remedy=f"give the key {name} of the installation's Secret a value, and restart the pod",
            )
        return value

    def __iter__(self) -> Iterator[str]:
        """Name them all."""
        return iter(sorted(path.name for path in self._folder.iterdir() if path.is_file()))

    def __len__(self) -> int:
        """Count them."""
        return sum(1 for _ in self)


def load(components: Sequence[Component], given: Path = layout.GIVEN) -> Site:
    """Read what the chart mounted into this pod."""
    described = json.loads((given / "cluster.json").read_text(encoding="utf-8"))
    return site(
        components,
        settings_of(described["settings"]),
        hosts=described["hosts"],
        secrets=Mounted(given / "secrets"),
        pods=pods_of(described),
        outside={name: int(port) for name, port in described["ports"].items()},
        sslmode=described["sslmode"],
    )
