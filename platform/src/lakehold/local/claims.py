"""Which ports this user's other installations were given: nobody may listen on them yet, and still they are taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehold.local.files import ensure_directory, locked, read_json, write_json


@contextmanager
def claimed_elsewhere(root: Path, state: Path) -> Iterator[frozenset[int]]:
    """Give the ports of the other installations, and keep them from choosing until the block ends.

    The block writes ``state/ports.json``. ``root/installations/known.json`` lists the state directories; one that was
    removed drops out, so there is nothing to give back.
    """
    ensure_directory(root / "installations")
    with locked(root / "installations" / "lock"):
        path = root / "installations" / "known.json"
        known = {Path(name) for name in (read_json(path) or {}).get("states", [])}
        others = {other: read_json(other / "ports.json") for other in known - {state}}
        alive = {other: ports for other, ports in others.items() if ports is not None}
        write_json(path, {"states": sorted(str(one) for one in {*alive, state})})
        yield frozenset(port for ports in alive.values() for port in ports.values() if isinstance(port, int))
