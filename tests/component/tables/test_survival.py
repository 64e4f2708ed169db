"""What remains true when publishers race, are killed, or lose their connection at the worst moment."""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lakehold.components.airflow_tasks import platform_of
from lakehold.tables.shadow import Audit, tag_of
from waiting import wait_for

pytestmark = pytest.mark.component

TABLES = [f"gold.t{number:02}" for number in range(20)]
AUDIT = Audit("daily/one", "gold")
OF = ["--run", AUDIT.run, "--group", AUDIT.group]


def write(lake: Any, run: str, tables: list[str], *, replace: bool = False) -> None:
    lake.part("write", {"run": run, "tables": tables, "numbers": [1], "replace": replace})


def test_two_writers_lose_nothing_and_every_refusal_names_the_faster(fresh: Any) -> None:
    tables = ["a", "b", "c"]
    write(fresh, "zero", [f"gold.{name}" for name in tables])
    script = str(Path(__file__).with_name("writer.py"))
    writers = [fresh.start(script, name, "8", *tables) for name in ("one", "two")]
    answers = [process.communicate(timeout=180) for process in writers]
    assert [process.returncode for process in writers] == [0, 0], answers
    outcomes = [json.loads(line) for out, _ in answers for line in out.splitlines()]
    assert len(outcomes) == 16
    published = sorted(outcome["run"] for outcome in outcomes if outcome["published"])
    refused = [outcome for outcome in outcomes if not outcome["published"]]
    assert published
    assert refused, "they never met"
    for outcome in refused:
        found = re.match(r'run "(\w+/\d+)" \(publish at .*\) was faster', outcome["why"])
        assert found, outcome
        assert found[1] in published
        assert found[1].split("/")[0] != outcome["run"].split("/")[0]
    for name, rows in fresh.part("read", {"tables": [f"gold.{name}" for name in tables]}).items():
        assert sorted(row[0] for row in rows) == sorted(["zero", *published]), name


def test_a_publisher_killed_at_any_moment_has_published_all_or_nothing(fresh: Any) -> None:
    tables = TABLES[:6]
    write(fresh, "zero", tables)
    verbs = [["clone", *OF, "--schema", "gold"], ["publish", *OF]]
    generator, killed_after, last = random.Random(7), 0, "zero"  # noqa: S311 - moments, not secrets
    for number in range(6):
        clone_at = number % 3 == 2
        if clone_at:
            _kill(fresh, verbs[0], generator.uniform(0.2, 0.6))
        fresh.verb(*verbs[0])
        run = f"run{number}"
        write(fresh, run, [name.replace("gold.", f"{AUDIT.schema('gold')}.") for name in tables], replace=True)
        killed_after += _kill(fresh, verbs[1], generator.uniform(0.2, 0.7))
        seen = {rows[0][0] for rows in fresh.part("read", {"tables": tables}).values()}
        assert seen in ({last}, {run}), "some tables are of one run, some of another"
        fresh.verb("publish", *OF)
        assert {rows[0][0] for rows in fresh.part("read", {"tables": tables}).values()} == {run}
        last = run
    assert killed_after, "no publisher was killed before its end"
    assert fresh.query("SELECT DISTINCT table_namespace FROM iceberg_tables") == [("gold",)]


def _kill(lake: Any, verb: list[str], after: float) -> bool:
    """Start a verb and kill it after some time; whether it was still running."""
    process = lake.start("-m", "lakehold.tables.run", *verb)
    time.sleep(after)
    running = process.poll() is None
    process.kill()
    process.communicate()
    return running


def test_a_store_that_stands_still_for_some_seconds_is_waited_for(fresh: Any) -> None:
    """A busy store answers late; by its defaults pyarrow gives a request up after three seconds."""
    write(fresh, "zero", ["gold.t"])
    store = fresh.lab.running["objectstore"]
    store.send_signal(signal.SIGSTOP)
    try:
        reader = fresh.start(str(Path(__file__).with_name("parts.py")))
        reader.stdin.write(json.dumps(["read", {"tables": ["gold.t"]}]) + "\n")
        reader.stdin.close()
        wait_for(lambda: asked(reader.pid, fresh.site.ports["objectstore"]), 60, "the reader asks the store")
        time.sleep(20)
        assert reader.poll() is None, reader.stderr.read()[-2000:]
    finally:
        store.send_signal(signal.SIGCONT)
    assert reader.wait(60) == 0, reader.stderr.read()[-2000:]
    assert json.loads(reader.stdout.read()) == {"gold.t": [["zero", 1]]}


def asked(pid: int, port: int) -> bool:
    """Whether a process is connected to a local port."""
    return any(each.raddr and each.raddr.port == port for each in psutil.Process(pid).net_connections("tcp"))


def test_twenty_tables_are_published_together(fresh: Any) -> None:
    """How long it takes is measured by ``bench/publishing.py``, which fails when it is a second."""
    write(fresh, "zero", TABLES)
    for number in range(2):
        fresh.verb("clone", *OF, "--schema", "gold")
        write(fresh, f"run{number}", [name.replace("gold.", f"{AUDIT.schema('gold')}.") for name in TABLES])
        fresh.verb("publish", *OF)
    found = fresh.part("read", {"tables": TABLES, "tag": tag_of(AUDIT.run)})
    assert all(len(rows) == 3 for rows in found.values())


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_was_lost_is_looked_up(fresh: Any, arrives: bool) -> None:
    write(fresh, "zero", TABLES[:2])
    fresh.verb("clone", *OF, "--schema", "gold")
    write(fresh, "one", [name.replace("gold.", f"{AUDIT.schema('gold')}.") for name in TABLES[:2]], replace=True)
    code, out, err = interrupted(fresh, "publish", *OF, arrives=arrives)
    seen = {rows[0][0] for rows in fresh.part("read", {"tables": TABLES[:2]}).values()}
    if arrives:
        assert code == 0, err
        assert "published gold.t00" in out
        assert seen == {"one"}
    else:
        assert code == 6, out
        assert "nothing was published" in err
        assert seen == {"zero"}
    fresh.verb("publish", *OF)
    assert {rows[0][0] for rows in fresh.part("read", {"tables": TABLES[:2]}).values()} == {"one"}


@pytest.mark.parametrize("arrives", [True, False])
def test_a_rollback_whose_answer_was_lost_is_looked_up(fresh: Any, arrives: bool) -> None:
    write(fresh, "zero", TABLES[:2])
    fresh.verb("clone", *OF, "--schema", "gold")
    write(fresh, "one", [name.replace("gold.", f"{AUDIT.schema('gold')}.") for name in TABLES[:2]], replace=True)
    fresh.verb("publish", *OF)
    code, out, err = interrupted(fresh, "rollback", AUDIT.run, arrives=arrives)
    seen = {rows[0][0] for rows in fresh.part("read", {"tables": TABLES[:2]}).values()}
    if arrives:
        assert code == 0, err
        assert "gold.t00  back to snapshot" in out
        assert seen == {"zero"}
        return
    assert code == 6, out
    assert "nothing was brought back" in err
    assert seen == {"one"}
    fresh.verb("rollback", AUDIT.run)
    assert {rows[0][0] for rows in fresh.part("read", {"tables": TABLES[:2]}).values()} == {"zero"}


def interrupted(lake: Any, *verb: str, arrives: bool) -> tuple[int, str, str]:
    """Run a verb whose connection to PostgreSQL breaks at its COMMIT: exit code, output and error."""
    with breaking(lake.site.ports["postgres"], arrives=arrives) as port:
        described = lake.site.state / "work" / "proxied.json"
        real = json.loads(platform_of(lake.site).dumps())
        real["publisher"] = real["publisher"].replace(f"port='{lake.site.ports['postgres']}'", f"port='{port}'")
        described.write_text(json.dumps(real))
        described.chmod(0o600)
        process = lake.start("-m", "lakehold.tables.run", *verb, LAKEHOLD_PLATFORM=str(described))
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@contextlib.contextmanager
def breaking(port: int, *, arrives: bool) -> Iterator[int]:
    """A way to PostgreSQL that breaks at the first COMMIT, just after or just before it ``arrives``."""
    broken = threading.Event()

    def pump(source: socket.socket, sink: socket.socket, *, watch: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if watch and b"COMMIT" in data and not broken.is_set():
                    broken.set()
                    if arrives:
                        # The server's answer finds nobody.
                        sink.sendall(data)
                        time.sleep(0.3)
                    break
                if not (broken.is_set() and not watch and source in halves):
                    sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    halves: set[socket.socket] = set()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection(("127.0.0.1", port))
                    if not broken.is_set():
                        halves.add(server)
                    threading.Thread(target=pump, args=(client, server), kwargs={"watch": True}, daemon=True).start()
                    threading.Thread(target=pump, args=(server, client), kwargs={"watch": False}, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
