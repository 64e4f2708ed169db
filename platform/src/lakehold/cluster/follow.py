"""Follow a release until all of it is ready; say each change once, and say soon why it will not be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lakehold.cluster import selection, tools, trouble, watch
from lakehold.cluster.commands import Cluster, of_release
from lakehold.cluster.objects import Object
from lakehold.components.registry import COMPONENTS
from lakehold.errors import NotRunningError, StartError

SECONDS = 900.0
"""How long a release may take: as long as its Jobs wait for each other (``setup.seconds``)."""
_PAUSE = 2.0
_PATIENCE: Mapping[str, float] = {"ErrImageNeverPull": 5.0, "InvalidImageName": 0.0, "CrashLoopBackOff": 180.0}
_AWAY = 60.0
"""Seconds for which the cluster need not answer."""
_OTHERS = 60.0
"""Seconds for which a reason not to start may hold: a registry may be slow, a node may be added."""


@dataclass(kw_only=True)
class _Memory:
    """What was told, and since when each part is stuck."""

    said: dict[str, tuple[str, str]] = field(default_factory=dict)
    since: dict[str, tuple[str, float]] = field(default_factory=dict)
    parts: list[watch.Part] = field(default_factory=list)
    answered: float
    """When the cluster last answered."""


def follow(
    cluster: Cluster,
    *,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[watch.Part]:
    """Yield each part whenever it has changed, until all are ready; :class:`StartError` says why one will not be."""
    memory, end = _Memory(answered=clock()), clock() + seconds
    while True:
        now = _look(cluster, memory, clock)
        yield from changed(memory.said, now)
        if now and all(part.state == watch.READY for part in now):
            return
        if (hopeless := given_up(memory.since, now, clock())) is not None:
            raise failure(cluster, hopeless)
        if clock() > end:
            raise failure(cluster, blamed(now), seconds)
        sleep(_PAUSE)


def _look(cluster: Cluster, memory: _Memory, clock: Callable[[], float]) -> list[watch.Part]:
    """Ask how all parts are. An API server may be away for a moment: then they are as they were."""
    try:
        memory.parts = watch.parts(items(cluster))
        memory.answered = clock()
    except NotRunningError:
        if clock() - memory.answered > _AWAY:
            raise
    return memory.parts


def items(cluster: Cluster) -> list[Object]:
    """Ask for all objects there are to watch."""
    found: list[Object] = tools.run_json(of_release(cluster, watch.KINDS))["items"]
    return found


def changed(said: dict[str, tuple[str, str]], now: Sequence[watch.Part]) -> Iterator[watch.Part]:
    """Yield what was not said before, and remember it."""
    for part in now:
        if said.get(part.name) != (part.state, part.text):
            said[part.name] = (part.state, part.text)
            yield part


def given_up(since: dict[str, tuple[str, float]], now: Sequence[watch.Part], at: float) -> watch.Part | None:
    """Return a part that has failed, or is stuck for longer than one waits; remembers since when."""
    for part in now:
        if part.state == watch.FAILED:
            return part
        if not part.reason:
            since.pop(part.name, None)
            continue
        # An image that cannot be pulled says so in two ways, in turn.
        reason = "ImagePull" if part.reason in ("ErrImagePull", "ImagePullBackOff") else part.reason
        before, began = since.get(part.name, (reason, at))
        if before != reason:
            began = at
        since[part.name] = (reason, began)
        if at - began >= _PATIENCE.get(reason, _OTHERS):
            return part
    return None


def blamed(now: Sequence[watch.Part]) -> watch.Part | None:
    """Return the part that others most likely wait for: one that says what is wrong, or that comes early."""
    order = [selection.KEYS, *(part.name for part in COMPONENTS)]

    def rank(part: watch.Part) -> tuple[bool, int]:
        component = part.component.removesuffix("-setup")
        return not part.reason, order.index(component) if component in order else len(order)

    return min((part for part in now if part.state != watch.READY), key=rank, default=None)


def failure(cluster: Cluster, part: watch.Part | None, seconds: float = 0.0) -> StartError | NotRunningError:
    """Return the error that says what hangs and why."""
    if part is None:
        return NotRunningError(
            f"nothing of the release {cluster.release} was found in {cluster.namespace}.",
            remedy=f"helm --kube-context {cluster.context} --namespace {cluster.namespace} status {cluster.release}",
        )
    found = trouble.examine(cluster, part)
    late = f" It was not ready after {seconds:.0f} s." if seconds else ""
    return StartError(f"{part.kind} {part.name} does not get ready.{late}", why=found.why(), remedy=found.remedy)
