"""``docs/reference/components.md``, made from the declarations: ``python -m lakehold.components.reference``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakehold.components.model import Component, Health, Probe, Process, Site, Task
from lakehold.components.registry import EVERY
from lakehold.config.settings import Settings
from lakehold.release.pinsfile import load_pins

_INTRODUCTION = """\
# Components

Made from the declarations in `platform/src/lakehold/components/` by `python -m lakehold.components.reference`; a test
fails when it is stale. Commands and ports are shown as they are with the default settings; `STATE` is the state
directory, `STORE` the folder of unpacked artifacts, `CHECKOUT` the checkout. Every address is on loopback. Secrets are
files in `STATE/secrets`, mode 0600, made once; configuration files are in `STATE/conf/<component>`, mode 0600.
"""


def example_site(components: Sequence[Component]) -> Site:
    """A site with default settings and telling names instead of this machine's paths and secrets."""
    store = Path("STORE")
    environments = {"lakehold", *(name for part in components for name in part.pythons)}
    return Site(
        settings=Settings(),
        checkout=Path("CHECKOUT"),
        state=Path("STATE"),
        artifacts={pin: store / pin for part in components for pin in part.artifacts},
        pythons={name: store / "envs" / name / "bin" / "python" for name in environments},
        ports=default_ports(components),
        secrets={name: f"SECRET:{name}" for part in components for name in part.secrets},
    )


def default_ports(components: Sequence[Component]) -> dict[str, int]:
    """``<component>`` or ``<component>.<port>`` → default port."""
    return {
        f"{part.name}.{name}" if name else part.name: port for part in components for name, port in part.ports.items()
    }


def pinned_versions() -> dict[str, str]:
    """Pin → version, from ``platform/pins.toml``."""
    return {name: pin.version for name, pin in load_pins().artifacts.items()}


def render(components: Sequence[Component], versions: Mapping[str, str]) -> str:
    """The whole page; ``versions`` by pin."""
    site = example_site(components)
    rows = [
        f"| [{part.name}](#{part.name}) | {part.summary} | {_ports(part)} | {_memory(part)} |" for part in components
    ]
    table = ["| component | what | port | memory (MB) |", "|---|---|---|---|", *rows]
    sections = [_section(part, site, versions) for part in components]
    return "\n".join([_INTRODUCTION, *table, "", *sections]).rstrip() + "\n"


def _ports(part: Component) -> str:
    return ", ".join(f"{port} ({name})" if name else str(port) for name, port in part.ports.items()) or "none"


def _memory(part: Component) -> int:
    return sum(process.memory_mb for process in part.processes)


def _section(part: Component, site: Site, versions: Mapping[str, str]) -> str:
    files = [f"`{file.path}`" for file in part.files(site)]
    facts = {
        "artifacts": ", ".join(f"`{pin}` {versions[pin]}" for pin in part.artifacts),
        "Python environments": ", ".join(f"`{name}`" for name in part.pythons),
        "needs": ", ".join(f"[{name}](#{name})" for name in part.needs),
        "secrets": ", ".join(f"`{name}`" for name in part.secrets),
        "owns": ", ".join(f"`STATE/{name}`" for name in part.owns),
        "files": ", ".join(files),
    }
    lines = [f"## {part.name}", "", f"{part.summary}.", ""]
    lines += [f"- {label}: {value}" for label, value in facts.items() if value]
    lines += [line for task in part.before for line in _task(task, "before its processes start", site)]
    lines += [line for process in part.processes for line in _process(process, site)]
    lines += [line for task in part.after for line in _task(task, "once it is healthy", site)]
    return "\n".join([*lines, ""])


def _task(task: Task, when: str, site: Site) -> list[str]:
    return ["", f"Task `{task.name}`, {when} (at most {task.timeout_seconds} s):", *_command(task.command(site))]


def _process(process: Process, site: Site) -> list[str]:
    facts = [f"{process.memory_mb} MB", f"up in at most {process.start_seconds} s", f"stops on {process.stop_signal}"]
    if process.unprivileged:
        facts.append("never as root")
    shown = ["", f"Process `{process.name}` ({', '.join(facts)}):", *_command(process.command(site))]
    return [*shown, "", f"Healthy when {_health(process.health(site))}."]


def _health(health: Health) -> str:
    if isinstance(health, Probe):
        return f"`{shlex.join(health.command)}` exits 0"
    text = f" with `{health.contains}` in it" if health.contains else ""
    return f"`GET {health.url}` answers {health.status}{text}"


def _command(command: Sequence[str]) -> list[str]:
    text = " ".join(shlex.quote(word) if "\n" not in word else "'…'" for word in command)
    return ["", "```sh", text, "```"]


if __name__ == "__main__":
    sys.stdout.write(render(EVERY, pinned_versions()))
