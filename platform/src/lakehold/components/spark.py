"""Spark: no process of its own; the properties every ``spark-submit`` is given, and the artifacts it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lakehold.components import spark_pods
from lakehold.components.model import Component, ConfigFile, Site, Task
from lakehold.pipelines.shared_classes import BASE
from lakehold.pipelines.spark_submit import ARGUMENTS
from lakehold.tables.catalog import spark_catalog_conf

PROPERTIES = "spark-defaults.conf"
"""Name of the properties file below ``conf/spark``."""

_JARS = ("iceberg-spark-runtime", "iceberg-aws-bundle", "openlineage-spark", "postgresql-jdbc")

LOGGING = "log4j2.properties"
"""Name of the logging configuration below ``conf/spark``."""

_LOGGING = """\
# Warnings and errors, one line each; a task's log is for what its program says.
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
# No news: there is no native Hadoop here, and a long plan is cut in the log only.
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.plan.name = org.apache.spark.util.SparkStringUtils
logger.plan.level = error
"""

_JAVA_OPTIONS = (
    # A job lives for seconds: compiled code that is ready early beats code that is fast late (13 s of CPU become 9).
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Duser.timezone=UTC",
    # What Spark 4.1.4's launcher gives every JVM (org.apache.spark.launcher.JavaModuleOptions), but for a module that
    # our Java does not have.
    *(
        f"--add-opens={package}=ALL-UNNAMED"
        for package in (
            *(f"java.base/java.{name}" for name in ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util")),
            *(f"java.base/java.util.{name}" for name in ("concurrent", "concurrent.atomic")),
            *(f"java.base/{name}" for name in ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action")),
            "java.base/sun.util.calendar",
            "java.security.jgss/sun.security.krb5",
        )
    ),
    "--enable-native-access=ALL-UNNAMED",
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dio.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE",
)


def properties_file(site: Site) -> Path:
    """Where the properties are; they hold secrets, so they reach Spark as a file and never on a command line."""
    return site.conf("spark") / PROPERTIES


def shared_classes(site: Site) -> Path:
    """Where archives of Spark's classes are shared by all checkouts: beside the store's folder of artifacts."""
    return site.artifacts["jdk-21"].parents[1] / "classes"


def properties(site: Site) -> dict[str, str]:
    """Spark's properties on this installation."""
    spark = site.settings.spark
    scratch = _scratch(site)
    return {
        "spark.master": f"local[{spark.cores}]",
        "spark.driver.memory": spark.driver_heap,
        "spark.driver.host": site.itself,
        "spark.driver.bindAddress": site.host,
        # These two are for who calls spark-submit itself; our operator starts the JVM with `java.args`.
        "spark.driver.extraClassPath": ":".join(_jars(site)),
        "spark.driver.extraJavaOptions": " ".join([*_JAVA_OPTIONS[:3], *site.java_temporary(), _logging(site)]),
        "spark.ui.enabled": "false",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        # One partition a thread: our largest join is half a million rows, and AQE merges what is smaller still.
        "spark.sql.shuffle.partitions": str(spark.cores),
        # Names of secrets that Spark's own pattern does not know; what matches is hidden in logs and lineage.
        "spark.redaction.regex": "(?i)secret|password|token|credential|access[.]?key|api[._-]?key",
        **_catalog(site),
        **_lineage(site),
    }


def java_arguments(site: Site) -> list[str]:
    """Arguments of the JVM that runs Spark; no secret is among them."""
    environment = site.pythons["engine"].parents[1]
    # An environment's folder is named <name>-<lock>-py<version>.
    python = f"python{environment.name.rpartition('-py')[2]}"
    classpath = ":".join([*_jars(site), f"{environment}/lib/{python}/site-packages/pyspark/jars/*"])
    return [
        "-cp",
        classpath,
        f"-Xmx{site.settings.spark.driver_heap}",
        *_JAVA_OPTIONS,
        *site.java_temporary(),
        _logging(site),
    ]


def _logging(site: Site) -> str:
    return f"-Dlog4j2.configurationFile={site.conf('spark') / LOGGING}"


def _jars(site: Site) -> list[str]:
    return [str(site.artifacts[jar]) for jar in _JARS]


def _base_classes(site: Site) -> list[str]:
    """Archive Java's own classes, which its build leaves to us; the archive of Spark's classes builds on it."""
    java = site.artifacts["jdk-21"] / "bin" / "java"
    return [str(java), "-Xshare:dump", f"-XX:SharedArchiveFile={_scratch(site) / BASE}"]


def _scratch(site: Site) -> Path:
    return site.state / "work" / "spark"


def _catalog(site: Site) -> dict[str, str]:
    """Give the catalog's properties so that the OpenLineage listener can name its tables.

    The listener (1.53) knows no JDBC catalog: it takes the ``uri`` for a Hive metastore's, cannot read it, and leaves
    every table out. Iceberg reads its options in any case, the listener only in lower case; without an ``uri`` it names
    tables by their location, and asks for a metastore's address only to put it into a symlink.
    """
    prefix = f"spark.sql.catalog.{site.settings.catalog.name}"
    values = spark_catalog_conf(site)
    if values[f"{prefix}.type"] != "jdbc":
        return values
    values[f"{prefix}.URI"] = values.pop(f"{prefix}.uri")
    return {**values, "spark.hadoop.hive.metastore.uris": f"thrift://{site.settings.catalog.name}"}


def _lineage(site: Site) -> dict[str, str]:
    """Post OpenLineage events; a job waits a second at most for the service, and never fails with it."""
    values = {
        "namespace": "lakehold",
        "transport.type": "http",
        "transport.url": f"http://{site.at('lineage')}:{site.ports['lineage']}",
        "transport.endpoint": "/api/v1/lineage",
        "transport.timeoutInMillis": "1000",
        "transport.auth.type": "api_key",
        "transport.auth.apiKey": site.secrets["lineage.token"],
        # A third of an event's size and nothing of its lineage.
        "facets.spark_properties.disabled": "true",
        "facets.environment-properties.disabled": "true",
        "facets.storage.disabled": "true",
    }
    return {
        "spark.extraListeners": "io.openlineage.spark.agent.OpenLineageSparkListener",
        **{f"spark.openlineage.{key}": value for key, value in values.items()},
    }


def render(values: Mapping[str, str]) -> str:
    """Write a Java properties file."""
    return "".join(f"{key}={value.replace(chr(92), chr(92) * 2)}\n" for key, value in values.items())


def argument_file(arguments: Sequence[str]) -> str:
    """Write a file for ``java @file``: one argument a line, in quotes because a folder's name may have a space."""
    return "".join('"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for argument in arguments)


def driver_properties(site: Site) -> dict[str, str]:
    """Spark's properties in the pod of a task whose executors are pods too."""
    return {**properties(site), **spark_pods.properties(site, _jars(site))}


def _files(site: Site, values: Mapping[str, str]) -> list[ConfigFile]:
    return [
        ConfigFile(path=PROPERTIES, text=render(values)),
        ConfigFile(path=LOGGING, text=_LOGGING),
        ConfigFile(path=ARGUMENTS, text=argument_file(java_arguments(site))),
    ]


SPARK = Component(
    name="spark",
    summary="runs the programs of jobs/, one spark-submit a task",
    artifacts=("jdk-21", *_JARS),
    pythons=("engine",),
    needs=("postgres", "objectstore"),
    secrets=("postgres.spark", "s3.spark", "lineage.token"),
    owns=("work/spark",),
    files=lambda site: _files(site, properties(site)),
    after=(
        Task(name="spark-folder", command=lambda site: ["/bin/mkdir", "-p", "-m", "0700", str(_scratch(site))]),
        Task(name="spark-base-classes", command=_base_classes),
    ),
)
"""Spark, as one declaration."""

SPARK_DRIVER = replace(SPARK, files=lambda site: _files(site, driver_properties(site)))
"""In a cluster, what the pod of a task is given that may start pods: the template it is made from says so."""
