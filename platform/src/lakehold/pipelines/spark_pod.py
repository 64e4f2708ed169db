"""What a container of Spark runs on Kubernetes: ``driver …`` or ``executor``, as Spark asks; anything else as it is.

It takes the place of a shell script in Spark's own image: it finds the command and becomes it. Only the standard
library is used, and the environment's ``pyspark``, which it does not import.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakehold.errors import ConfigError

_OPTION = "SPARK_JAVA_OPT_"
_EXECUTOR = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
_SUBMIT = "org.apache.spark.deploy.SparkSubmit"
_GIVEN = {
    "--driver-url": "SPARK_DRIVER_URL",
    "--executor-id": "SPARK_EXECUTOR_ID",
    "--cores": "SPARK_EXECUTOR_CORES",
    "--app-id": "SPARK_APPLICATION_ID",
    "--hostname": "SPARK_EXECUTOR_POD_IP",
    "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "--podName": "SPARK_EXECUTOR_POD_NAME",
}
"""Options of an executor, and the variables in which the driver gives them."""


def executor(environ: Mapping[str, str], home: Path, folder: str) -> list[str]:
    """The command of an executor; ``folder`` is where it was started, whose files its classes may be in."""
    memory = _required(environ, "SPARK_EXECUTOR_MEMORY")
    given = [word for option, variable in _GIVEN.items() for word in (option, _required(environ, variable))]
    return [
        *(_java(environ), *_java_options(environ), f"-Xms{memory}", f"-Xmx{memory}"),
        *("-cp", _classpath(environ, home, folder), _EXECUTOR, *given),
    ]


def driver(environ: Mapping[str, str], arguments: Sequence[str]) -> list[str]:
    """Arguments of spark-submit in the driver's pod."""
    address = _required(environ, "SPARK_DRIVER_BIND_ADDRESS")
    conf = {"spark.driver.bindAddress": address, "spark.executorEnv.SPARK_DRIVER_POD_IP": address}
    given = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    return [*given, "--deploy-mode", "client", *arguments]


def launcher(environ: Mapping[str, str], home: Path, arguments: Sequence[str]) -> list[str]:
    """The command that prints the command of a driver: Spark alone knows which flags its properties amount to."""
    return [_java(environ), "-Xmx128m", "-cp", f"{home}/jars/*", "org.apache.spark.launcher.Main", _SUBMIT, *arguments]


def printed(output: str) -> list[str]:
    """The command in a launcher's output: after a line with a NUL, each word ended by a NUL."""
    _before, found, words = output.partition("\0\n")
    if not found or not words:
        raise ConfigError("Spark's launcher printed no command.", why=output[:500])
    return words.removesuffix("\0").split("\0")


def main() -> None:
    """Become what the first argument asks for."""
    which, *arguments = sys.argv[1:] or [""]
    home = Path(sysconfig.get_path("purelib")) / "pyspark"
    if which == "executor":
        _become(executor(os.environ, home, os.getcwd()))  # noqa: PTH109 - as text
    if which == "driver":
        asked = launcher(os.environ, home, driver(os.environ, arguments))
        environ = {"SPARK_HOME": str(home), "SPARK_SCALA_VERSION": "2.13", **os.environ}
        told = subprocess.run(asked, env=environ, stdout=subprocess.PIPE, text=True, check=False)
        if told.returncode:
            sys.exit(told.returncode)
        _become(printed(told.stdout))
    if not which:
        raise SystemExit("usage: driver ARGUMENT… | executor | COMMAND ARGUMENT…")
    _become([which, *arguments])


def _become(command: list[str]) -> None:
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - there is no shell on purpose


def _classpath(environ: Mapping[str, str], home: Path, folder: str) -> str:
    parts = [
        environ.get("SPARK_CONF_DIR", f"{home}/conf"),
        environ.get("HADOOP_CONF_DIR", ""),
        # What the driver asks for (`spark.executor.extraClassPath`): without it no executor knows Iceberg.
        environ.get("SPARK_CLASSPATH", ""),
        f"{home}/jars/*",
        environ.get("SPARK_EXTRA_CLASSPATH", ""),
        folder,
        environ.get("SPARK_DIST_CLASSPATH", ""),
    ]
    return ":".join(part for part in parts if part)


def _java_options(environ: Mapping[str, str]) -> list[str]:
    """In the order of their numbers, which is not that of their names."""
    found = {
        int(name.removeprefix(_OPTION)): value
        for name, value in environ.items()
        if name.startswith(_OPTION) and name.removeprefix(_OPTION).isdecimal()
    }
    return [value for _number, value in sorted(found.items())]


def _java(environ: Mapping[str, str]) -> str:
    return f"{_required(environ, 'JAVA_HOME')}/bin/java"


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise ConfigError(f"{name} is not set, so this is no pod that Spark has made.")
    return value


if __name__ == "__main__":
    main()
