"""What a component is: one declaration, read by the local runtime as processes and by the chart as Helm values.

A declaration is data and pure functions of a :class:`Site`. Nothing in here, or in a declaration, reads the clock, the
environment, the network or the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakehold.config.settings import Settings

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a pod listens on its own network; its policies say who gets in
"""What a process of a pod listens on."""


@dataclass(frozen=True, kw_only=True)
class Executors:
    """The pods in which a Spark application works, besides its driver; ``template`` is the file they are made from."""

    count: int
    cores: int
    """Spark tasks each runs at the same time."""
    heap: str
    overhead: str
    """Memory besides the heap; a pod gets both."""
    cpu_request: str
    cpu_limit: str
    account: str
    template: Path


@dataclass(frozen=True, kw_only=True)
class Git:
    """The repository DAGs come from, where they do not come from the image."""

    url: str
    ref: str
    """Branch or tag."""
    dags: str
    """The folder with DAG files in it."""
    seconds: int
    """How long between two looks."""


@dataclass(frozen=True, kw_only=True)
class Pods:
    """Where Airflow's tasks run as pods of their own; ``template`` is the file with the pod they are made from."""

    namespace: str
    template: Path
    executors: Executors | None = None
    """Where Spark's executors are pods too; otherwise the pod of a Spark task does all of the application's work."""
    admin: str = "postgres"
    """The role that makes databases and roles in PostgreSQL."""
    trino_workers: bool = False
    """Whether Trino's queries run on nodes besides the coordinator, and not on it."""
    git: Git | None = None
    celery: int = 0
    """How many tasks a Celery worker runs at once; 0: there are none, and every task has a pod of its own."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """One installation as the plans see it: where everything is, and on which port.

    ``artifacts`` maps a pin's name to its unpacked folder (or file); ``pythons`` maps an environment's name
    (``lakehold``, ``airflow``, ``dbt``, ``engine``) to its interpreter; ``ports`` maps ``<component>`` or
    ``<component>.<port>`` to a TCP port; ``secrets`` maps a secret's name to its value.
    """

    settings: Settings
    checkout: Path
    state: Path
    artifacts: Mapping[str, Path]
    pythons: Mapping[str, Path]
    ports: Mapping[str, int]
    secrets: Mapping[str, str] = field(repr=False)
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Component → the host name others reach it at; only those that are not on this machine, as in a cluster."""
    pods: Pods | None = None
    """In a cluster only; on one machine tasks are processes."""
    postgres_tls: Mapping[str, str] = field(default_factory=dict)
    """How clients of PostgreSQL make sure that it is the one they mean: libpq's ``sslmode`` and ``sslrootcert``, words
    that the JDBC driver shares. Empty for the bundled one, which speaks no TLS."""

    @property
    def host(self) -> str:
        """The address everything listens on."""
        return self.settings.bind

    @property
    def itself(self) -> str:
        """The address at which a process reaches itself, and others on the same machine."""
        return "127.0.0.1" if self.host == ANY_ADDRESS else self.host

    def at(self, component: str) -> str:
        """Return the host name or address a component is reached at."""
        return self.hosts.get(component, self.itself)

    def conf(self, component: str) -> Path:
        """The folder of a component's generated configuration (mode 0700)."""
        return self.state / "conf" / component

    def data(self, component: str) -> Path:
        """The folder a component keeps its durable state in (mode 0700)."""
        return self.state / "data" / component

    @property
    def tls(self) -> Path:
        """The folder with ``ca.pem`` and ``server.pem`` (certificate and key)."""
        return self.state / "tls"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files (``TMPDIR``), emptied when everything has been stopped."""
        return self.state / "work" / "tmp"

    def java_temporary(self) -> list[str]:
        """JVM flags that keep its temporary files in :attr:`temporary`; Java does not read ``TMPDIR``."""
        return [f"-Djava.io.tmpdir={self.temporary}", "-XX:-UsePerfData"]


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """A file a component reads, as text; written with mode 0600 below :meth:`Site.conf`."""

    path: str
    text: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Http:
    """Healthy when a GET of ``url`` answers with ``status``; TLS is verified against the installation's CA."""

    url: str
    status: int = 200
    contains: str = ""
    """Text the answer's body must contain (Trino answers 200 while it is still starting)."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Healthy when ``command`` exits 0. The command runs with the process's own environment."""

    command: tuple[str, ...]


Health = Http | Probe


@dataclass(frozen=True, kw_only=True)
class Process:
    """One long-running process (a supervised program on one machine, a workload in a cluster)."""

    name: str
    command: Callable[[Site], list[str]]
    environment: Callable[[Site], dict[str, str]] = lambda _site: {}
    health: Callable[[Site], Health]
    alive: Callable[[Site], Probe] | None = None
    """What a cluster asks before it starts the process again, of one that listens on no port; it must not fail because
    of somebody else, as a health check may."""
    memory_mb: int
    start_seconds: int = 60
    stop_seconds: int = 15
    stop_signal: str = "TERM"
    unprivileged: bool = False
    """The program refuses to run as root; the local runtime then runs it as ``nobody``."""
    one_machine: bool = False
    """It helps others on the same machine, who can do without; a cluster, where each has its own pod, runs none."""
    directory: Callable[[Site], Path] | None = None
    """Working folder, for a program that looks for its files there; the state directory when None."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command that runs to its end and may run any number of times (an init container or a Job in a cluster)."""

    name: str
    command: Callable[[Site], list[str]]
    environment: Callable[[Site], dict[str, str]] = lambda _site: {}
    stdin: Callable[[Site], str] = lambda _site: ""
    """Text given on standard input; the way a secret reaches a command that cannot read it from its environment."""
    timeout_seconds: int = 120
    unprivileged: bool = False
    shared: bool = False
    """It changes what all processes share (a database, a store) and not a disk of its component: a Job in a cluster."""
    done: Callable[[Site], list[str]] | None = None
    """A command that exits 0 once this version of the task has been carried out, by whomever: where the task is a Job,
    the component's processes wait for it. It runs with the task's environment and changes nothing."""
    fits: Callable[[Site], list[str]] | None = None
    """A command that exits 0 unless a newer version of the task has left what this one cannot work with, and else says
    what: it is asked before a cluster goes back to this version. It runs with the task's environment and changes
    nothing."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """One component of the platform, declared once."""

    name: str
    summary: str
    artifacts: tuple[str, ...] = ()
    """Pins (``platform/pins.toml``) that must be unpacked before it starts."""
    pythons: tuple[str, ...] = ()
    """Python environments (``platform/locks``) it needs."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Port name → default. The name ``""`` is the component's main port."""
    needs: tuple[str, ...] = ()
    """Components that must be healthy before this one prepares and starts."""
    secrets: tuple[str, ...] = ()
    """Names of the secrets it uses; generated once when they do not exist."""
    owns: tuple[str, ...] = ()
    """Folders below the state directory that are its own, relative to it."""
    files: Callable[[Site], list[ConfigFile]] = lambda _site: []
    before: tuple[Task, ...] = ()
    """Run before its processes start (``initdb``, schema migration)."""
    processes: tuple[Process, ...] = ()
    after: tuple[Task, ...] = ()
    """Run once its processes are healthy (roles, buckets, users)."""
