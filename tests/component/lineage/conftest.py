"""A PostgreSQL of the test's own, and lineage services on it that can be killed and started again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from free_ports import free_ports

TOKEN = "a-token-for-tests-only-0123456789"


def postgres_bin() -> Path:
    """Return the folder with PostgreSQL's programs: the platform's own from the store, else the machine's."""
    from lakehold.errors import ArtifactError

    try:
        from lakehold.release.store import Store

        found = Store.default().artifact("postgres") / "bin"
        if found.is_dir():
            return found
    except (ImportError, ArtifactError):
        pass
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not installed:
        pytest.fail("no PostgreSQL: neither in the store (run `lakehold up` once) nor under /usr/lib/postgresql")
    return installed[-1]


@dataclass
class Postgres:
    """A cluster in a folder of its own; ``start``, ``stop`` and ``kill`` may follow each other in any order."""

    folder: Path
    bin: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None
    durable: bool = True
    """Whether it waits for the disk."""

    @property
    def database(self) -> str:
        return f"host=127.0.0.1 port={self.port} dbname=lineage user=postgres"

    def _command(self, *arguments: str) -> list[str]:
        # PostgreSQL refuses to run as root.
        prefix = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        return [*prefix, *arguments]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def create(self, cluster: Path) -> None:
        """Begin as a copy of a cluster that has not run yet."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
        subprocess.run(self._command("cp", "-a", str(cluster), str(self.data)), check=True, cwd="/")
        self.start()
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres", autocommit=True) as c:
            c.execute("CREATE DATABASE lineage")

    def initialize(self) -> None:
        """Make a new cluster, and do not start it."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
        made = ["-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(self._command(str(self.bin / "initdb"), *made), check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command(
                str(self.bin / "postgres"), "-D", f"{self.folder}/data", "-p", str(self.port), "-k", "",
                "-c", "listen_addresses=127.0.0.1", "-c", f"fsync={'on' if self.durable else 'off'}",
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )  # fmt: skip
        self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres").close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: INT is PostgreSQL's fast shutdown, QUIT its immediate one (a crash, with its children)."""
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(timeout=30)


_END_OTHERS = """
SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclass
class Service:
    """One process of the lineage service."""

    database: str
    port: int
    process: subprocess.Popen[bytes] | None = None
    extra: dict[str, str] = field(default_factory=dict)
    """More settings."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        return {
            "LAKEHOLD_LINEAGE_DATABASE": self.database,
            "LAKEHOLD_LINEAGE_HOST": "127.0.0.1",
            "LAKEHOLD_LINEAGE_PORT": str(self.port),
            "LAKEHOLD_LINEAGE_TOKEN": TOKEN,
            # What tests write has dates of its own, and is not to be removed for them.
            "LAKEHOLD_LINEAGE_HISTORY_DAYS": "36500",
            "PATH": "/usr/bin:/bin",
            **self.extra,
        }

    def start(self, *, healthy: bool = True) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "lakehold.lineage.server"], env=self.environment())
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                answer = httpx.get(f"{self.url}/health", trust_env=False, timeout=2)
                if answer.status_code == 200 or not healthy:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, "the service ended while it started"
            time.sleep(0.05)
        raise AssertionError("the service did not become healthy")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=30)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5, trust_env=False)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A new cluster, made once: to copy it takes a small part of the time."""
    folder = Path(tempfile.mkdtemp(prefix="lakehold-test-"))
    server = Postgres(folder=folder, bin=postgres_bin())
    try:
        server.initialize()
        yield server.data
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def durable() -> bool:
    """Whether the file's PostgreSQL waits for the disk; where nothing is about that, it need not."""
    return True


@pytest.fixture(scope="module")
def postgres(cluster: Path, durable: bool) -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="lakehold-test-"))
    server = Postgres(folder=folder, bin=postgres_bin(), durable=durable)
    try:
        server.create(cluster)
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop(signal.SIGQUIT)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def extra() -> dict[str, str]:
    """More settings of the file's service; a file may have its own."""
    return {}


@pytest.fixture(scope="module")
def standing(postgres: Postgres, extra: dict[str, str]) -> Iterator[Service]:
    """One service for all tests of a file, on a database whose rows each of them replaces."""
    from lakehold.lineage.migrate import ensure_schema

    ensure_schema(postgres.database)
    one = Service(database=postgres.database, port=free_ports(1)[0], extra=extra)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def database(postgres: Postgres) -> str:
    """An empty lineage database with the newest schema."""
    from lakehold.lineage.migrate import ensure_schema

    with psycopg.connect(postgres.database, autocommit=True) as connection:
        # PostgreSQL goes on with the statement of a client that has ended: one of the last test's service.
        connection.execute(_END_OTHERS)
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    ensure_schema(postgres.database)
    return postgres.database


@pytest.fixture
def new_service(database: str) -> Iterator[Callable[[], Service]]:
    """Make services on the database; whatever is left of them is ended."""
    made: list[Service] = []

    def make() -> Service:
        made.append(Service(database=database, port=free_ports(1)[0]))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.kill()


@pytest.fixture
def service(new_service: Callable[[], Service]) -> Service:
    one = new_service()
    one.start()
    return one


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as opened:
        yield opened
