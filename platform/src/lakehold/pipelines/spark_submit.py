"""The command that runs a Spark program: ``spark-submit`` without its launcher, and with an archive of its classes.

Spark's script starts a JVM only to print the command of a second one. We know that command: it is in ``java.args``
beside Spark's properties, and we start ``SparkSubmit``, which does all of spark-submit's work, directly.

Most of a short job is spent on loading some 15,000 classes. The JVM can write them to an archive when it ends and map
them when it starts (AppCDS), which halves the CPU time of a job. The first job of a machine writes the archive, and it
goes into the store, for every checkout and state directory; where the store cannot be written to, each installation
keeps one of its own. A JVM checks that the archive fits its jars and ignores it otherwise; other jars or flags have
another archive, and one that is not as it was left is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakehold.config.platform import Platform
from lakehold.pipelines.shared_classes import BASE, CLASSES, SharedClasses, as_left

ARGUMENTS = "java.args"
"""Name of the file with the JVM's arguments, beside the properties."""
POD = "/etc/lakehold/spark-task.yaml"
"""The pod a Spark task is made from in a cluster, where its scheduler finds it: the only one that may start pods."""
_IN_POD = {
    "spark.driver.host": "KUBERNETES_POD_IP",
    "spark.kubernetes.driver.pod.name": "KUBERNETES_POD_NAME",
    "spark.kubernetes.container.image": "KUBERNETES_EXECUTOR_IMAGE",
}
"""Properties that differ from pod to pod, and the variables that such a pod has for them."""
_QUIET = "-Xlog:cds*=off"
_HEAP = "spark.driver.memory"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The class archive for the JVM arguments with this ``key``: the machine's, or the installation's in ``folder``."""

    folder: Path
    key: str
    shared: SharedClasses | None = None
    _written_on: dict[str, tuple[Path, list[int]]] = field(default_factory=dict, compare=False)
    """Job → the base that it began to write on, and how that was left."""

    @property
    def base(self) -> Path:
        """Java's own classes."""
        return self.folder / BASE

    @property
    def path(self) -> Path:
        """Spark's and the job's classes, where the machine's archive cannot be had."""
        return self.folder / f"classes-{self.key}.jsa"

    def draft(self, name: str) -> Path:
        """Where the job ``name`` writes the archive while there is none."""
        return self.folder / f"{self.path.name}.{name}"

    def flags(self, name: str) -> list[str]:
        """Return the JVM's flags: use the archive, or have the job ``name`` write it, or neither without a base."""
        if self.shared and self.shared.has(CLASSES):
            return [_QUIET, f"-XX:SharedArchiveFile={self.shared.base}:{self.shared.classes}"]
        if not self.base.is_file():
            return []
        if self.path.is_file():
            return [_QUIET, f"-XX:SharedArchiveFile={self.base}:{self.path}"]
        # What is written knows the base by its path, so that must be one that stays.
        stays = self.shared.base if self.shared and self.shared.ensure_base(self.base) else self.base
        with contextlib.suppress(FileNotFoundError):  # somebody makes it anew at this moment: nothing will be kept
            self._written_on[name] = (stays, as_left(stays))
        return [_QUIET, f"-XX:SharedArchiveFile={stays}", f"-XX:ArchiveClassesAtExit={self.draft(name)}"]

    def keep(self, name: str) -> None:
        """Make what the job ``name`` wrote the archive, if it wrote one: in one step, so nobody reads half of it.

        An archive is of no use but on the base it was written on, so it is not kept when that is another one now.
        """
        draft = self.draft(name)
        base, then = self._written_on.pop(name, (None, []))
        if not draft.is_file():
            return
        if self.shared and base == self.shared.base:
            self.shared.add(draft, then)  # where that fails (a full disk), the next job writes one
        elif base == self.base and base.is_file() and as_left(base) == then:
            draft.replace(self.path)
        draft.unlink(missing_ok=True)


def archive(platform: Platform) -> Archive:
    """Return the archive for this platform's Java, jars and flags."""
    lines = arguments_file(platform).read_text(encoding="utf-8").splitlines()
    # The archive depends on neither, and both differ between installations.
    kept = [line for line in lines if not line.removeprefix('"').startswith(("-D", "-Xmx"))]
    key = hashlib.sha256("\n".join([platform.spark_java_home, *kept]).encode()).hexdigest()[:16]
    shared = SharedClasses(folder=Path(platform.spark_classes) / key) if platform.spark_classes else None
    return Archive(folder=Path(platform.work) / "spark", key=key, shared=shared)


def arguments_file(platform: Platform) -> Path:
    """Return the file with the JVM's arguments."""
    return Path(platform.spark_properties).with_name(ARGUMENTS)


def command(platform: Platform, flags: list[str], conf: Mapping[str, str], program: Path) -> list[str]:
    """Return the command that runs ``program`` with further properties ``conf``; its own arguments are added to it."""
    # Spark cannot size a JVM that runs already: a later -Xmx wins over the one in the file.
    heap = [f"-Xmx{conf[_HEAP]}"] if _HEAP in conf else []
    given = [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    return [
        str(Path(platform.spark_java_home) / "bin" / "java"),
        f"@{arguments_file(platform)}",
        *heap,
        *flags,
        "org.apache.spark.deploy.SparkSubmit",
        "--properties-file",
        platform.spark_properties,
        *given,
        str(program),
    ]


def in_pod(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of a driver whose executors are pods; they end with the pod that is named here."""
    return {key: environ[variable] for key, variable in _IN_POD.items() if variable in environ}


def environment(platform: Platform) -> dict[str, str]:
    """Return where Java, Spark and Python are."""
    engine = Path(platform.pythons["engine"])
    return {
        "JAVA_HOME": platform.spark_java_home,
        "PYSPARK_PYTHON": str(engine),
        "PYSPARK_DRIVER_PYTHON": str(engine),
        # The same hashes in every Python process of an application, as spark-submit sees to.
        "PYTHONHASHSEED": "0",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PATH": f"{engine.parent}:/usr/local/bin:/usr/bin:/bin",
    }
