"""How many pods, cores, how much memory and how many database connections a load needs: arithmetic, and nothing else.

The numbers it begins with are :data:`FACTS`; ``docs/how-to/size-a-cluster.md`` explains each, and its tables are made
by :func:`tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A number of the arithmetic, and where it is from."""

    value: float
    unit: str
    source: str


FACTS: Mapping[str, Fact] = {
    "scheduler": Fact(value=420, unit="tasks a minute", source="measured: one scheduler and its tasks on 2 cores"),
    "pod": Fact(value=0.045, unit="CPU seconds of a scheduler a task's pod", source="measured: 1,000 simulated pods"),
    "parse": Fact(value=0.074, unit="CPU seconds a DAG file", source="measured: 1,000 files in 74 s"),
    "parse_every": Fact(value=60, unit="seconds until a changed DAG file is known", source="chosen"),
    "task_start": Fact(value=5.5, unit="CPU seconds a task's pod", source="measured: tasks that do little"),
    "lineage": Fact(value=3278, unit="events a second", source="measured: one process and PostgreSQL on 2 cores"),
    "lineage_share": Fact(value=0.5, unit="of that is planned with", source="chosen"),
    "event": Fact(value=5000, unit="bytes an event", source="measured"),
    "headroom": Fact(value=0.4, unit="GB of a Trino heap that is no query's", source="setting"),
    "airflow_pool": Fact(value=15, unit="connections an Airflow process", source="SQLAlchemy's pool, 5 and 10 more"),
    "lineage_pool": Fact(value=12, unit="connections a lineage pod", source="counted: readers 4, workers and sinks 8"),
    "catalog_pool": Fact(value=2, unit="connections a Trino node or Spark driver", source="Iceberg's JDBC pool"),
    "task_pool": Fact(value=2, unit="connections a task", source="counted: catalog and publication"),
    "spare": Fact(value=1.25, unit="times the connections and cores that were counted", source="chosen"),
}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of a platform. ``task_cores`` and ``task_memory`` (GB) are one task's, while it runs."""

    name: str
    dags: int
    tasks_a_minute: float
    task_seconds: float = 60
    task_cores: float = 0.25
    task_memory: float = 1.0
    spark_share: float = 0.2
    """Of the tasks, how many are Spark applications."""
    executors: int = 0
    executor_cores: float = 0.5
    executor_memory: float = 1.5
    queries: int = 4
    """That run in Trino at the same time."""
    query_cores: float = 1.0
    query_memory: float = 0.5
    """GB of heap on each node that works on it."""
    events_a_second: float = 10


@dataclass(frozen=True, kw_only=True)
class Node:
    """One of Trino's workers: its heap in GB, its cores."""

    heap: float = 6
    cores: float = 4


@dataclass(frozen=True, kw_only=True)
class Need:
    """Pods of one kind; cores and memory (GB) of all of them together, and their connections to PostgreSQL."""

    what: str
    pods: int
    cores: float
    memory: float
    connections: int


_SERVICE_MEMORY = {"API server": 0.45, "scheduler": 0.6, "DAG processor": 0.35, "triggerer": 0.42, "lineage": 0.25}
"""GB: what the declarations say (docs/reference/components.md)."""
_OVER_HEAP = 1.3
"""A Trino pod's memory over its heap."""


def _fact(name: str) -> float:
    return FACTS[name].value


def running(load: Load) -> int:
    """Tasks that run at the same time: what comes in a second, times the seconds each stays (Little's law)."""
    return max(1, ceil(load.tasks_a_minute * load.task_seconds / 60))


def workers(load: Load, node: Node) -> int:
    """Trino's workers: enough cores for all queries, and on each enough heap for its part of them.

    A query works on every node and takes its memory on each, so more nodes give cores; memory is the node's own limit.
    """
    fits = int((node.heap - _fact("headroom")) // load.query_memory)
    if fits < load.queries:
        raise ValueError(
            f"{load.queries} queries of {load.query_memory} GB need a heap of "
            f"{load.queries * load.query_memory + _fact('headroom'):.1f} GB on each node, not {node.heap} GB"
        )
    return max(2, ceil(load.queries * load.query_cores / node.cores))


def needs(load: Load, node: Node | None = None) -> list[Need]:
    """Every kind of pod a load needs."""
    return [*_airflow(load), *_tasks(load), *_trino(load, node or Node()), _lineage(load)]


def _airflow(load: Load) -> list[Need]:
    # The tasks it was measured with were processes; a pod keeps it busy besides.
    busy = load.tasks_a_minute * (1 / _fact("scheduler") + _fact("pod") / 60)
    schedulers = max(2, ceil(busy))
    parsing = load.dags * _fact("parse") / _fact("parse_every")
    pool = int(_fact("airflow_pool"))
    kinds = {
        "API server": (2, 0.5, 2),
        "scheduler": (schedulers, max(0.2, busy / schedulers), 1),
        "DAG processor": (2, max(0.1, parsing), 1),
        "triggerer": (2, 0.1, 1),
    }
    return [
        Need(
            what=name,
            pods=pods,
            cores=pods * cores,
            memory=pods * _SERVICE_MEMORY[name],
            connections=pods * many * pool,
        )
        for name, (pods, cores, many) in kinds.items()
    ]


def _tasks(load: Load) -> list[Need]:
    tasks = running(load)
    starting = load.tasks_a_minute / 60 * _fact("task_start")
    applications = ceil(tasks * load.spark_share)
    executors = applications * load.executors
    connections = tasks * int(_fact("task_pool")) + applications * int(_fact("catalog_pool"))
    return [
        Need(
            what="tasks",
            pods=tasks,
            cores=tasks * load.task_cores + starting,
            memory=tasks * load.task_memory,
            connections=connections,
        ),
        Need(
            what="Spark executors",
            pods=executors,
            cores=executors * load.executor_cores,
            memory=executors * load.executor_memory,
            connections=0,
        ),
    ]


def _trino(load: Load, node: Node) -> list[Need]:
    many = workers(load, node)
    pool = int(_fact("catalog_pool"))
    memory = node.heap * _OVER_HEAP
    return [
        Need(what="Trino coordinator", pods=1, cores=1, memory=memory, connections=pool),
        Need(what="Trino workers", pods=many, cores=many * node.cores, memory=many * memory, connections=many * pool),
    ]


def _lineage(load: Load) -> Need:
    each = _fact("lineage") * _fact("lineage_share")
    pods = max(2, ceil(load.events_a_second / each))
    cores = max(0.1, load.events_a_second / _fact("lineage") * 2)
    memory = pods * _SERVICE_MEMORY["lineage"]
    return Need(what="lineage", pods=pods, cores=cores, memory=memory, connections=pods * int(_fact("lineage_pool")))


def total(found: Iterable[Need]) -> Need:
    """All of it, with what is to spare of cores and connections."""
    parts = list(found)
    spare = _fact("spare")
    return Need(
        what="together",
        pods=sum(one.pods for one in parts),
        cores=sum(one.cores for one in parts) * spare,
        memory=sum(one.memory for one in parts),
        connections=ceil(sum(one.connections for one in parts) * spare),
    )


def events_gb(load: Load, days: int) -> float:
    """GB that events take as they were sent, at most: PostgreSQL compresses them."""
    return load.events_a_second * 86400 * days * _fact("event") / 1e9


SMALL = Load(name="a team", dags=100, tasks_a_minute=20)
MIDDLE = Load(name="a department", dags=300, tasks_a_minute=120, executors=2, queries=10, events_a_second=100)
LARGE = Load(
    name="a company",
    dags=1000,
    tasks_a_minute=1000,
    executors=2,
    queries=40,
    query_cores=2,
    query_memory=1.0,
    events_a_second=2000,
)
LOADS: Mapping[str, tuple[Load, Node]] = {
    "small": (SMALL, Node()),
    "middle": (MIDDLE, Node()),
    "large": (LARGE, Node(heap=48, cores=16)),
}


def tables() -> dict[str, str]:
    """The tables of the page, by the name of their place in it."""
    return {"facts": _facts(), **{name: _table(load, node) for name, (load, node) in LOADS.items()}}


def _facts() -> str:
    rows = [f"| `{name}` | {fact.value:g} {fact.unit} | {fact.source} |" for name, fact in FACTS.items()]
    return "\n".join(["| name | number | from |", "|---|---|---|", *rows])


def _table(load: Load, node: Node) -> str:
    asked = (
        f"{load.name.capitalize()}: {load.dags:,} DAG files, {load.tasks_a_minute:g} tasks a minute of "
        f"{load.task_seconds:g} s, "
        f"{load.spark_share:.0%} of them Spark with {load.executors} executors, {load.queries} queries at once of "
        f"{load.query_cores:g} cores and {load.query_memory:g} GB, {load.events_a_second:g} lineage events a second; "
        f"Trino nodes of {node.cores:g} cores and a heap of {node.heap:g} GB."
    )
    found = needs(load, node)
    rows = [_row(one) for one in [*found, total(found)] if one.pods]
    head = ["| pods | number | cores | memory, GB | connections |", "|---|---|---|---|---|"]
    return "\n".join([asked, "", *head, *rows])


def _row(one: Need) -> str:
    return f"| {one.what} | {one.pods:,} | {one.cores:,.1f} | {one.memory:,.1f} | {one.connections:,} |"
