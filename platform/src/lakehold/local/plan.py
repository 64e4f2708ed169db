"""What the runtime is going to run, as data: start order, specs, fingerprints. Pure."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lakehold.components.model import Component, ConfigFile, Process, Site, Task
from lakehold.errors import ConfigError
from lakehold.local.launch import Spec
from lakehold.local.proc import PROCESS_VARIABLE, STATE_VARIABLE

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The user that programs refusing to run as root are started as, and the capabilities they need to reach us."""

    user: str
    group: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ComponentPlan:
    """A component, ready to be carried out."""

    component: Component
    files: tuple[ConfigFile, ...]
    before: tuple[tuple[Task, Spec], ...]
    processes: tuple[tuple[Process, Spec], ...]
    after: tuple[tuple[Task, Spec], ...]

    @property
    def after_fingerprint(self) -> str:
        """Changes when an after-task would do something else than it did."""
        return _digest([spec.fingerprint for _task, spec in self.after])


def select(components: Sequence[Component], names: Iterable[str]) -> list[Component]:
    """Return the named components and all they need, in declaration order; all of them when no name is given."""
    by_name = {component.name: component for component in components}
    wanted: set[str] = set()
    waiting = list(names) or list(by_name)
    while waiting:
        name = waiting.pop()
        if name not in by_name:
            raise unknown_component(name, by_name)
        if name not in wanted:
            wanted.add(name)
            waiting.extend(by_name[name].needs)
    return [component for component in components if component.name in wanted]


def dependents(components: Sequence[Component], names: Iterable[str]) -> list[Component]:
    """Return the named components and all that need them, in declaration order; all of them when no name is given."""
    by_name = {component.name: component for component in components}
    wanted = set(names) or set(by_name)
    for name in wanted - set(by_name):
        raise unknown_component(name, by_name)
    while more := {part.name for part in components if part.name not in wanted and wanted & set(part.needs)}:
        wanted |= more
    return [component for component in components if component.name in wanted]


def unknown_component(name: str, known: Iterable[str]) -> ConfigError:
    """Return the error for a component nobody declared."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return ConfigError(
        f'there is no component "{name}"' + (f', did you mean "{close[0]}"?' if close else "."),
        why=f"the components are {', '.join(names)}",
        remedy="lakehold status shows them all",
    )


def levels(components: Sequence[Component]) -> list[list[Component]]:
    """Group components so that each needs only components of earlier groups; needs outside of the list count as met.

    Raises :class:`ConfigError` when components need each other in a circle.
    """
    waiting = list(components)
    names = {component.name for component in components}
    done: set[str] = set()
    result: list[list[Component]] = []
    while waiting:
        ready = [component for component in waiting if set(component.needs) & names <= done]
        if not ready:
            circle = ", ".join(component.name for component in waiting)
            raise ConfigError(f"these components need each other in a circle: {circle}.", remedy="mend their `needs`")
        result.append(ready)
        done |= {component.name for component in ready}
        waiting = [component for component in waiting if component.name not in done]
    return result


def plan_component(component: Component, site: Site, identity: Identity | None, certificate: str) -> ComponentPlan:
    """Return everything to be written and run for one component.

    ``identity`` is None unless we are root. ``certificate`` is a digest of the server certificate: whoever mentions the
    TLS folder is started again when it changes.
    """
    files = tuple(component.files(site))
    content = _digest([f"{file.path}\0{file.text}" for file in files])
    tls = certificate if any(str(site.tls) in file.text for file in files) else ""
    base = _base_environment(site)

    def spec(part: Process | Task, once: bool) -> Spec:
        environment = {**base, **part.environment(site), STATE_VARIABLE: str(site.state), PROCESS_VARIABLE: part.name}
        directory = site.state
        if isinstance(part, Process) and part.directory is not None:
            directory = part.directory(site)
        as_other = identity if part.unprivileged else None
        plain = Spec(
            name=part.name,
            component=component.name,
            state=str(site.state),
            command=part.command(site),
            environment=environment,
            directory=str(directory),
            user=as_other.user if as_other else None,
            group=as_other.group if as_other else None,
            capabilities=as_other.capabilities if as_other else (),
            stop_signal=part.stop_signal if isinstance(part, Process) else "TERM",
            stop_seconds=part.stop_seconds if isinstance(part, Process) else 5,
        )
        stdin = part.stdin(site) if isinstance(part, Task) else ""
        return replace(plain, fingerprint=_digest([plain.dumps(), content, tls, stdin, str(once)]))

    return ComponentPlan(
        component=component,
        files=files,
        before=tuple((task, spec(task, True)) for task in component.before),
        processes=tuple((process, spec(process, False)) for process in component.processes),
        after=tuple((task, spec(task, True)) for task in component.after),
    )


def owned_folders(component: Component, site: Site) -> list[Path]:
    """Return the folders that are a component's own: its configuration, its data, and what it declares."""
    folders = [site.conf(component.name), site.data(component.name), *(site.state / name for name in component.owns)]
    return list(dict.fromkeys(folders))


def needs_other_user(component: Component) -> bool:
    """Whether any part of the component refuses to run as root."""
    parts: list[Process | Task] = [*component.before, *component.processes, *component.after]
    return any(part.unprivileged for part in parts)


def _base_environment(site: Site) -> Mapping[str, str]:
    """Return all that a process gets besides what it declares: nothing of the caller's environment reaches it."""
    return {
        "PATH": _PATH,
        "HOME": str(site.state / "work" / "home"),
        "TMPDIR": str(site.temporary),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        # setproctitle would overwrite the environment that tells our processes from others.
        "SPT_NOENV": "1",
    }


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0\0".join(parts).encode()).hexdigest()[:32]
